/* inherit.h - what a supervisor and its child processes have agreed on.
 *
 * The environment variable INHERIT_NAME tells a child that it is one, and its name. Descriptors are at fixed places. Over
 * the channel go messages of words, the first of which says what it is; what the other side does not know it passes
 * over, for the two may be of different versions:
 *
 *	child      ready                    it answers requests
 *	           numbers NAME=VALUE...    once a second: at_ms (mono), cpu_us (since its start), waiting (0 or 1), and
 *	                                    what else there is to know
 *	supervisor retire                   end, and be patient with those who keep connections: others go on
 *	           quarantine USER SEQ NONCE    do not attempt this message
 *
 * SIGTERM means: end now, everything ends.
 */
#ifndef APP_INHERIT_H
#define APP_INHERIT_H

#define INHERIT_NAME "QSTASH_SUPERVISED"

enum {
	INHERIT_CHANNEL_FD = 3,
	INHERIT_PAGE_FD, /* memory of one struct inhand (engine/inhand.h) */
	INHERIT_PORT_FD, /* listening sockets; each may be absent */
	INHERIT_CONTROL_FD,
	INHERIT_LOG_PORT_FD,
	INHERIT_FDS_END,
	INHERIT_SOCKETS = INHERIT_FDS_END - INHERIT_PORT_FD,
};

#endif
