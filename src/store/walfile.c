#include "store/walfile.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

enum {
	FRAME_HEAD_BYTES =
		24, /* page number, size of the database if it commits, salts, checksums */
	FRAME_COMMIT_AT = 4,
	GATHER_BYTES_MAX =
		0x1ffff, /* the most that SQLite's VFS for Unix writes at once; a frame is less */
	GATHER_BYTES_MIN = 16 << 10,
};

struct walfile {
	sqlite3_file base;
	sqlite3_file *real; /* behind this struct */
	char *p;            /* gathered; owned */
	size_t n, cap;
	sqlite3_int64 at;  /* where p[0] belongs */
	sqlite3_int64 end; /* behind the last frame, the gathered ones included */
	bool commits;      /* the frame whose page comes next */
};

static struct walfile *of(sqlite3_file *file)
{
	return container_of(file, struct walfile, base);
}

static int flush(struct walfile *w)
{
	size_t n = w->n;

	w->n = 0;
	return n > 0 ? w->real->pMethods->xWrite(w->real, w->p, (int)n, w->at) : SQLITE_OK;
}

static void gather(struct walfile *w, const void *p, size_t n, sqlite3_int64 at)
{
	if (w->n == 0)
		w->at = at;
	if (w->n + n > w->cap) {
		w->cap = w->cap ? w->cap : GATHER_BYTES_MIN;
		while (w->cap < w->n + n)
			w->cap *= 2;
		w->p = xrealloc(w->p, w->cap);
	}
	memcpy(w->p + w->n, p, n);
	w->n += n;
}

static bool is_commit(const void *frame_head)
{
	static const char none[4];

	return memcmp((const char *)frame_head + FRAME_COMMIT_AT, none, sizeof(none)) != 0;
}

static int write_through(struct walfile *w, const void *p, int n, sqlite3_int64 at)
{
	int rc = flush(w);

	/* The log begins anew with its head; else a frame that is behind the end is new, and one before it
	 * is written again. */
	if (at == 0 || at + n > w->end)
		w->end = at + n;
	w->commits = false;
	return rc == SQLITE_OK ? w->real->pMethods->xWrite(w->real, p, n, at) : rc;
}

static int op_write(sqlite3_file *file, const void *p, int n, sqlite3_int64 at)
{
	struct walfile *w = of(file);
	bool is_head = n == FRAME_HEAD_BYTES, is_last = !is_head && w->commits;
	int rc = SQLITE_OK;

	if (at != w->end || at == 0 || (!is_head && w->n == 0))
		return write_through(w, p, n, at);
	if (is_head)
		w->commits = is_commit(p);
	if (w->n + (size_t)n > GATHER_BYTES_MAX)
		rc = flush(w);
	gather(w, p, (size_t)n, at);
	w->end += n;
	return rc == SQLITE_OK && is_last ? flush(w) : rc;
}

static int op_close(sqlite3_file *file)
{
	struct walfile *w = of(file);
	int rc = flush(w), closed = w->real->pMethods->xClose(w->real);

	free(w->p);
	return rc == SQLITE_OK ? closed : rc;
}

static int op_read(sqlite3_file *file, void *ret_p, int n, sqlite3_int64 at)
{
	struct walfile *w = of(file);
	int rc = flush(w);

	return rc == SQLITE_OK ? w->real->pMethods->xRead(w->real, ret_p, n, at) : rc;
}

static int op_truncate(sqlite3_file *file, sqlite3_int64 n)
{
	struct walfile *w = of(file);
	int rc = flush(w);

	if (w->end > n)
		w->end = n;
	return rc == SQLITE_OK ? w->real->pMethods->xTruncate(w->real, n) : rc;
}

static int op_sync(sqlite3_file *file, int flags)
{
	struct walfile *w = of(file);
	int rc = flush(w);

	return rc == SQLITE_OK ? w->real->pMethods->xSync(w->real, flags) : rc;
}

static int op_size(sqlite3_file *file, sqlite3_int64 *ret_n)
{
	struct walfile *w = of(file);
	int rc = flush(w);

	return rc == SQLITE_OK ? w->real->pMethods->xFileSize(w->real, ret_n) : rc;
}

static int op_lock(sqlite3_file *file, int level)
{
	return of(file)->real->pMethods->xLock(of(file)->real, level);
}

static int op_unlock(sqlite3_file *file, int level)
{
	return of(file)->real->pMethods->xUnlock(of(file)->real, level);
}

static int op_is_locked(sqlite3_file *file, int *ret_locked)
{
	return of(file)->real->pMethods->xCheckReservedLock(of(file)->real, ret_locked);
}

static int op_control(sqlite3_file *file, int op, void *arg)
{
	return of(file)->real->pMethods->xFileControl(of(file)->real, op, arg);
}

static int op_sector(sqlite3_file *file)
{
	return of(file)->real->pMethods->xSectorSize(of(file)->real);
}

static int op_traits(sqlite3_file *file)
{
	return of(file)->real->pMethods->xDeviceCharacteristics(of(file)->real);
}

static const sqlite3_io_methods methods = {
	.iVersion = 1, /* shared memory and mappings are the database file's */
	.xClose = op_close,
	.xRead = op_read,
	.xWrite = op_write,
	.xTruncate = op_truncate,
	.xSync = op_sync,
	.xFileSize = op_size,
	.xLock = op_lock,
	.xUnlock = op_unlock,
	.xCheckReservedLock = op_is_locked,
	.xFileControl = op_control,
	.xSectorSize = op_sector,
	.xDeviceCharacteristics = op_traits,
};

static int op_open(sqlite3_vfs *self, const char *name, sqlite3_file *file, int flags,
		   int *ret_flags)
{
	sqlite3_vfs *real = self->pAppData;
	struct walfile *w = of(file);
	int rc;

	if (!(flags & SQLITE_OPEN_WAL))
		return real->xOpen(real, name, file, flags, ret_flags);
	*w = (struct walfile){ .real = (sqlite3_file *)(void *)(w + 1) };
	rc = real->xOpen(real, name, w->real, flags, ret_flags);
	if (rc == SQLITE_OK)
		w->base.pMethods = &methods;
	return rc;
}

static sqlite3_vfs vfs;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* The default VFS with an xOpen of ours. */
static void make_vfs(void)
{
	sqlite3_vfs *real;

	check(sqlite3_initialize() == SQLITE_OK);
	real = sqlite3_vfs_find(NULL);
	check(real != NULL);
	vfs = *real;
	vfs.zName = "qstash";
	vfs.pNext = NULL;
	vfs.pAppData = real;
	vfs.szOsFile += (int)sizeof(struct walfile);
	vfs.xOpen = op_open;
	check(sqlite3_vfs_register(&vfs, 0) == SQLITE_OK);
}

const char *walfile_vfs(void)
{
	check(pthread_once(&once, make_vfs) == 0);
	return vfs.zName;
}
