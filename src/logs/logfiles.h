/* logfiles.h - the log files of one thread: their names, which of them are open, and how one goes
 * away.
 *
 * At most `open_max` files are open; the least recently used one is closed for another. A thread
 * that writes and one that reads each have a struct logfiles of their own; nothing in here is
 * shared.
 */
#ifndef LOGS_LOGFILES_H
#define LOGS_LOGFILES_H

#include "base/list.h"
#include "base/map.h"
#include "logs/logdb.h"

enum {
	LOGFILES_NAME_BYTES = 256, /* of a file's name with its ending and the NUL */
	LOGFILES_PLAIN_MAX = 180,  /* a longer coded user id is replaced by its hash */
	LOGFILES_TEXT_BYTES = 300,
	LOGFILES_WAL_BYTES = 512 * 1024, /* a closed file may keep as much of WAL */
};

#define LOGFILES_ENDING ".db"
#define LOGFILES_ASIDE ".broken-" /* and the Unix ms, behind the ending */

struct logfiles_trouble {
	char text[LOGFILES_TEXT_BYTES];
	dev_t dev; /* which file it was */
	ino_t ino;
};

struct logfiles {
	char *dir; /* owned */
	bool reading;
	bool ephemeral;
	size_t open_max;
	struct map by_name;
	struct list used;                /* least recently first */
	struct logfiles_trouble trouble; /* why the last file could not be had */
};

/* `dir` is copied. */
void logfiles_init(struct logfiles *f, const char *dir, size_t open_max);
void logfiles_done(struct logfiles *f);

/* Makes the directory, and those above it. 0 or an errno. */
must_use int logfiles_make_dir(const char *dir);

/* The name of a user's file: the id with all but letters, digits, '_' and '-' as %xx. */
void logfiles_name(char ret_name[LOGFILES_NAME_BYTES], struct str user);

/* The open file of that name. For writing, it is made when the user is given; without a user it
 * must exist. A file that was removed or replaced meanwhile is opened anew. The handle is good
 * until the next call with another name. */
must_use enum logdb_result logfiles_get(struct logfiles *f, const char *name, struct str user,
					struct logdb **ret_db);
/* Closes it, if it is open, as it is. */
void logfiles_drop(struct logfiles *f, const char *name);
/* An open file failed: keeps why, and closes it. */
void logfiles_fail(struct logfiles *f, const char *name);

/* Is this file still the one of that name? */
must_use bool logfiles_is(const struct logfiles *f, const char *name, dev_t dev, ino_t ino);

/* The files themselves; no handle may be open. True when it is not there any more. */
must_use bool logfiles_set_aside(const struct logfiles *f, const char *name, int64_t now_ms);
void logfiles_remove(const struct logfiles *f, const char *name);
/* Also those of that name that were set aside; durable on return. */
void logfiles_remove_rest(const struct logfiles *f, const char *name);
/* Is this the name of a file that was set aside, and when? */
must_use bool logfiles_is_aside(struct str name, int64_t *ret_ms);

#endif
