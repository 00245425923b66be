/* dirs.h - the data directory: where it is, and that it exists.
 */
#ifndef APP_DIRS_H
#define APP_DIRS_H

#include "base/compiler.h"

/* Resolves and creates the directory: `wanted` if not empty, else $XDG_DATA_HOME/qstash, else
 * ~/.local/share/qstash; with `ephemeral`, a new one under $TMPDIR. NULL with one line for the user in
 * ret_error; the caller frees the path. */
must_use char *dirs_data(const char *wanted, bool ephemeral, char ret_error[256]);
/* dir + "/" + name on the heap; the caller frees it. */
must_use char *dirs_join(const char *dir, const char *name);
/* Removes an ephemeral directory with what is in it (two levels). */
void dirs_remove(const char *dir);

#endif
