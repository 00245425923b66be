/* supervise.h - `qstash serve -redis`: the supervisor of a server of several processes, wired to its settings.
 */
#ifndef APP_SUPERVISE_H
#define APP_SUPERVISE_H

#include "app/conf.h"
#include "base/compiler.h"

/* Takes the data directory, opens the listening sockets, and runs until all processes have ended; they get the arguments
 * of the command, args (NULL-terminated). Returns the exit status; when that is 1, a line on standard error says why. */
must_use int supervise(const struct conf *conf, char *const *args);

#endif
