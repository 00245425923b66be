#include "app/zone.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "core/tz.h"

#define ZONE_DIR "/usr/share/zoneinfo/"

enum { ZONE_PATH_BYTES = 256, ZONE_CHUNK_BYTES = 4096 };

static bool read_all(int fd, struct buf *ret_bytes)
{
	char chunk[ZONE_CHUNK_BYTES];
	ssize_t n;

	while ((n = read(fd, chunk, sizeof(chunk))) > 0)
		buf_add(ret_bytes, str_n(chunk, (size_t)n));
	return n == 0 && !ret_bytes->overflow;
}

bool zone_read(void *arg, struct str name, struct buf *ret_bytes)
{
	char path[ZONE_PATH_BYTES];
	int n, fd;
	bool ok;

	if (!tz_name_is_safe(name))
		return false;
	n = snprintf(path, sizeof(path), ZONE_DIR "%.*s", STR_FMT(name));
	if (n < 0 || (size_t)n >= sizeof(path))
		return false;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return false;
	ok = read_all(fd, ret_bytes);
	close(fd);
	return ok;
}
