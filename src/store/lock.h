/* lock.h - the lock on a data directory, which belongs to one process at a time.
 */
#ifndef STORE_LOCK_H
#define STORE_LOCK_H

#include "base/compiler.h"

/* Locks the file `path` + ".lock", made when it is not there. Returns its descriptor, which holds the lock until it
 * is closed or the process ends; -1 with one line for the user in ret_error. */
must_use int lock_take(const char *path, char ret_error[200]);

#endif
