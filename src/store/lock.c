#include "store/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/str.h"

static struct str dir_of(const char *path)
{
	struct str dir = str_c(path);

	while (dir.n > 0 && dir.p[dir.n - 1] != '/')
		dir.n--;
	return dir.n ? dir : STR("./");
}

int lock_take(const char *path, char ret_error[200])
{
	struct str dir = str_sub(dir_of(path), 0, 120);
	char name[4096];
	int fd;

	if ((size_t)snprintf(name, sizeof(name), "%s.lock", path) >= sizeof(name)) {
		snprintf(ret_error, 200, "the path of the database is longer than %zu bytes",
			 sizeof(name));
		return -1;
	}
	fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0) {
		snprintf(ret_error, 200, "cannot write to the data directory %.*s: %s",
			 STR_FMT(dir), strerror(errno));
		return -1;
	}
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return fd;
	snprintf(ret_error, 200, "the data directory %.*s is in use by another server",
		 STR_FMT(dir));
	close(fd);
	return -1;
}
