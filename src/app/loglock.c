#include "app/loglock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/dirs.h"
#include "logs/logslot.h"

/* Bytes of the file that are locked: one for each slot, and behind them one for each number of slots, which all
 * processes of that number share. */
enum { NUMBERS_AT = LOGSLOT_MAX, END = 2 * LOGSLOT_MAX + 1 };

static bool lock(int fd, int how, unsigned from, unsigned n)
{
	struct flock range = {
		.l_type = (short)how, .l_whence = SEEK_SET, .l_start = from, .l_len = n
	};

	return n == 0 || fcntl(fd, F_OFD_SETLK, &range) == 0;
}

/* Does anybody else hold a byte of these? */
static bool is_locked(int fd, unsigned from, unsigned n)
{
	struct flock range = {
		.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = from, .l_len = n
	};

	return n > 0 && fcntl(fd, F_OFD_GETLK, &range) == 0 && range.l_type != F_UNLCK;
}

static bool take(int fd, unsigned slot, unsigned slots, char ret_error[256])
{
	unsigned number = NUMBERS_AT + slots;

	/* Of two that begin at once for different numbers, at least one sees the other. */
	if (!lock(fd, F_RDLCK, number, 1) || is_locked(fd, NUMBERS_AT, slots) ||
	    is_locked(fd, number + 1, END - number - 1)) {
		snprintf(ret_error, 256,
			 "log processes for another number of them (-log-processes) still run on "
			 "this data directory; stop them first");
		return false;
	}
	if (lock(fd, F_WRLCK, slot, 1))
		return true;
	snprintf(ret_error, 256, "the log process of slot %u runs already on this data directory",
		 slot);
	return false;
}

int loglock_take(const char *dir, unsigned slot, unsigned slots, char ret_error[256])
{
	char *path = dirs_join(dir, "logs.lock");
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0)
		snprintf(ret_error, 256, "cannot write to the data directory %.150s: %s", dir,
			 strerror(errno));
	free(path);
	if (fd >= 0 && !take(fd, slot, slots, ret_error)) {
		close(fd);
		fd = -1;
	}
	return fd;
}
