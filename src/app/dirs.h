/* dirs.h - the data directory: where it is, and that it exists.
 */
#ifndef APP_DIRS_H
#define APP_DIRS_H

#include "app/conf.h"
#include "base/compiler.h"

/* In the data directory: */
#define DIRS_CONTROL "control.sock"  /* where a server takes commands */
#define DIRS_PRODUCTION "production" /* `serve` has run on it */

/* The directory of -data-dir, else one under $XDG_DATA_HOME, else under ~/.local/share; NULL when there is no saying
 * which. It may not exist. The caller frees the path. */
must_use char *dirs_find(const struct conf *conf);
/* The same, created when needed; with -ephemeral, a new one under $TMPDIR. NULL with one line for the user in
 * ret_error. */
must_use char *dirs_data(const struct conf *conf, char ret_error[256]);
/* dir + "/" + name on the heap; the caller frees it. */
must_use char *dirs_join(const char *dir, const char *name);
/* Is there such a file in the directory? */
must_use bool dirs_has(const char *dir, const char *name);
/* Makes an empty file that says what the directory is; it may be there already. */
must_use bool dirs_mark(const char *dir, const char *name, char ret_error[256]);
/* Removes an ephemeral directory with what is in it (two levels). */
void dirs_remove(const char *dir);

#endif
