/* dirs.h - the data directory: where it is, and that it exists.
 */
#ifndef APP_DIRS_H
#define APP_DIRS_H

#include "app/conf.h"
#include "base/compiler.h"

#define DIRS_CONTROL "control.sock" /* in the data directory: where a server takes commands */

/* The directory of -data-dir, else one under $XDG_DATA_HOME, else under ~/.local/share; NULL when there is no saying
 * which. It may not exist. The caller frees the path. */
must_use char *dirs_find(const struct conf *conf);
/* The same, created when needed; with -ephemeral, a new one under $TMPDIR. NULL with one line for the user in
 * ret_error. */
must_use char *dirs_data(const struct conf *conf, char ret_error[256]);
/* dir + "/" + name on the heap; the caller frees it. */
must_use char *dirs_join(const char *dir, const char *name);
/* Removes an ephemeral directory with what is in it (two levels). */
void dirs_remove(const char *dir);

#endif
