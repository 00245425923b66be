/* loglock.h - which log processes may write to a data directory: each slot once, and none while there are processes for
 * another number of slots, for then two of them would have the same user's file.
 */
#ifndef APP_LOGLOCK_H
#define APP_LOGLOCK_H

#include "base/compiler.h"

/* Returns a descriptor that holds the lock until it is closed or the process ends; -1 with one line for the user. */
must_use int loglock_take(const char *dir, unsigned slot, unsigned slots, char ret_error[256]);

#endif
