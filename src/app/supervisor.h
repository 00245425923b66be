/* supervisor.h - starts the processes of a server, and sees to it that they go on.
 *
 * A role is a command of the program and how many processes of it there are. A process that ends without having been
 * told to is started again, after a wait that grows (backoff.h). Until the first one has become ready nothing else is
 * started, and when it ends instead, so does the supervisor, with its status: it has said why.
 *
 *	SIGTERM, SIGINT   all end, the first role first, the next when that is gone; a second one kills
 *	SIGHUP            each process is replaced by a fresh one, one after the other (a rolling restart); when the fresh
 *	                  ones of the first do not become ready, the old ones stay
 *
 * A process is WAITING for its start, STARTING, READY, then ENDING; what is not to be started again is then forgotten.
 * In a rolling restart a process and its replacement exist at once, unless the role is `alone`: then the old one ends
 * first.
 *
 * The supervisor looks at what a process was busy with when it died, and tells all others to leave a message alone that
 * three have died of (poison.h).
 */
#ifndef APP_SUPERVISOR_H
#define APP_SUPERVISOR_H

#include "app/inherit.h"
#include "app/scaling.h"
#include "base/compiler.h"

struct loop;
struct supervisor;

enum { SUPERVISOR_ROLES_MAX = 2 };

struct supervisor_role {
	const char *command; /* the first argument of the program */
	char *const *args;   /* the others; NULL-terminated */
	const char *
		index_flag; /* NULL, or "-slot": the process's number, from 0, is given as -slot=NUMBER */
	int n;              /* processes, at first */
	bool alone;         /* there must never be two processes with the same number */
};

struct supervisor_settings {
	const char *program; /* path */
	struct supervisor_role role[SUPERVISOR_ROLES_MAX];
	size_t roles;
	int socket[INHERIT_SOCKETS]; /* that listen, for all to inherit; -1 = none. They stay the caller's */
	int64_t end_ms_max; /* a process that was told to end and lives on for so long is killed */
	struct scaling_settings scaling; /* of the first role; most = 0: there are always role[0].n */
	void (*ready)(void *arg);        /* all are there, for the first time */
	void *arg;
};

must_use struct supervisor *supervisor_new(struct loop *loop,
					   const struct supervisor_settings *settings);
/* Until all has ended. Returns the exit status. */
int supervisor_run(struct supervisor *s);
/* Before loop_free. */
void supervisor_free(struct supervisor *s);

#endif
