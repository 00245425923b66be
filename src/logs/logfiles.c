#include "logs/logfiles.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/codec.h"
#include "base/digest.h"

struct logfile {
	struct logdb db;
	struct list used;
	char name[LOGFILES_NAME_BYTES];
};

void logfiles_init(struct logfiles *f, const char *dir, size_t open_max)
{
	check(open_max > 0);
	*f = (struct logfiles){ .dir = str_dup(str_c(dir)), .open_max = open_max };
	map_init(&f->by_name, 0);
	list_init(&f->used);
}

int logfiles_make_dir(const char *dir)
{
	char *path = str_dup(str_c(dir));
	int error;

	/* What fails above shows in the last one. */
	for (char *p = path + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		(void)mkdir(path, 0700);
		*p = '/';
	}
	error = mkdir(path, 0700) == 0 || errno == EEXIST ? 0 : errno;
	free(path);
	return error;
}

/* ---- names ------------------------------------------------------------------------------------------ */

static bool is_plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_' || c == '-';
}

static void code_name(struct buf *b, struct str user)
{
	for (size_t i = 0; i < user.n; i++) {
		if (is_plain(user.p[i])) {
			buf_byte(b, user.p[i]);
		} else {
			buf_byte(b, '%');
			hex_encode(b, str_sub(user, i, 1));
		}
	}
}

void logfiles_name(char ret_name[LOGFILES_NAME_BYTES], struct str user)
{
	unsigned char hash[SHA256_LEN];
	struct buf b;

	check(user.n > 0);
	buf_init(&b, LOGFILES_PLAIN_MAX);
	code_name(&b, user);
	if (b.overflow) {
		buf_reset(&b);
		sha256(hash, user);
		buf_byte(&b, '~'); /* in no coded name */
		hex_encode(&b, str_n(hash, sizeof(hash)));
	}
	snprintf(ret_name, LOGFILES_NAME_BYTES, "%.*s%s", STR_FMT(buf_str(&b)), LOGFILES_ENDING);
	buf_done(&b);
}

static char *path_of(const struct logfiles *f, const char *name, const char *ending)
{
	size_t n = strlen(f->dir) + 1 + strlen(name) + strlen(ending) + 1;
	char *path = xmalloc(n);

	snprintf(path, n, "%s/%s%s", f->dir, name, ending);
	return path;
}

/* ---- open files ------------------------------------------------------------------------------------- */

static bool is_same(const char *path, dev_t dev, ino_t ino)
{
	struct stat st;

	return stat(path, &st) == 0 && st.st_ino == ino && st.st_dev == dev;
}

bool logfiles_is(const struct logfiles *f, const char *name, dev_t dev, ino_t ino)
{
	char *path = path_of(f, name, "");
	bool same = is_same(path, dev, ino);

	free(path);
	return same;
}

static bool has_moved(const struct logdb *db)
{
	return !is_same(db->path, db->dev, db->ino);
}

static void close_file(struct logfiles *f, struct logfile *file, bool checkpoint)
{
	bool sound = file->db.error == SQLITE_OK && !has_moved(&file->db);

	list_remove(&file->used);
	check(map_remove(&f->by_name, str_c(file->name)) == file);
	logdb_close(&file->db, checkpoint && sound && !f->reading);
	free(file);
}

void logfiles_done(struct logfiles *f)
{
	while (!list_is_empty(&f->used))
		close_file(f, list_entry(f->used.next, struct logfile, used), true);
	map_done(&f->by_name);
	free(f->dir);
}

void logfiles_drop(struct logfiles *f, const char *name)
{
	struct logfile *file = map_get(&f->by_name, str_c(name));

	if (!file)
		return;
	close_file(f, file, false);
}

/* Closes the file that was used least recently. A checkpoint costs more than the opening will that
 * replays the WAL, so it is made only of a longer one. */
static void close_oldest(struct logfiles *f)
{
	struct logfile *file = list_entry(f->used.next, struct logfile, used);
	char *path = path_of(f, file->name, "-wal");
	struct stat st;

	close_file(f, file, stat(path, &st) == 0 && st.st_size > LOGFILES_WAL_BYTES);
	free(path);
}

static void keep_trouble(struct logfiles *f, const struct logdb *db)
{
	f->trouble = (struct logfiles_trouble){ .dev = db->dev, .ino = db->ino };
	snprintf(f->trouble.text, sizeof(f->trouble.text), "%s", db->error_text);
}

void logfiles_fail(struct logfiles *f, const char *name)
{
	struct logfile *file = map_get(&f->by_name, str_c(name));

	check(file != NULL && file->db.error != SQLITE_OK);
	keep_trouble(f, &file->db);
	logfiles_drop(f, name);
}

static enum logdb_result open_path(struct logfiles *f, struct logfile *file, struct str user)
{
	char *path = path_of(f, file->name, "");

	return f->reading ? logdb_open_read(&file->db, path)
			  : logdb_open_write(&file->db, path, user, f->ephemeral);
}

static enum logdb_result open_file(struct logfiles *f, const char *name, struct str user,
				   struct logfile **ret_file)
{
	struct logfile *file = xcalloc(1, sizeof(*file));
	enum logdb_result result;

	snprintf(file->name, sizeof(file->name), "%s", name);
	list_init(&file->used);
	result = open_path(f, file, user);
	if (result == LOGDB_UNWRITABLE && user.n && file->db.error_system == ENOENT &&
	    logfiles_make_dir(f->dir) == 0) {
		logdb_close(&file->db, false);
		result = open_path(f, file, user);
	}
	if (result == LOGDB_OK) {
		*ret_file = file;
		return result;
	}
	keep_trouble(f, &file->db);
	logdb_close(&file->db, false);
	free(file);
	return result;
}

enum logdb_result logfiles_get(struct logfiles *f, const char *name, struct str user,
			       struct logdb **ret_db)
{
	struct logfile *file = map_get(&f->by_name, str_c(name));
	enum logdb_result result;

	if (file && has_moved(&file->db)) {
		logfiles_drop(f, name);
		file = NULL;
	}
	if (!file) {
		if (f->by_name.n >= f->open_max)
			close_oldest(f);
		result = open_file(f, name, user, &file);
		if (result != LOGDB_OK)
			return result;
		map_put(&f->by_name, str_c(file->name), file);
	}
	list_remove(&file->used);
	list_push(&f->used, &file->used);
	*ret_db = &file->db;
	return LOGDB_OK;
}

/* ---- how one goes away ------------------------------------------------------------------------------ */

static bool rename_file(const struct logfiles *f, const char *name, const char *from_ending,
			const char *to_ending)
{
	char *from = path_of(f, name, from_ending), *to = path_of(f, name, to_ending);
	bool gone = rename(from, to) == 0 || errno == ENOENT;

	free(from);
	free(to);
	return gone;
}

static void remove_ending(const struct logfiles *f, const char *name, const char *ending)
{
	char *path = path_of(f, name, ending);

	(void)unlink(path);
	free(path);
}

bool logfiles_set_aside(const struct logfiles *f, const char *name, int64_t now_ms)
{
	char file[48], wal[64];

	snprintf(file, sizeof(file), "%s%lld", LOGFILES_ASIDE, (long long)now_ms);
	snprintf(wal, sizeof(wal), "%s-wal", file);
	remove_ending(f, name, "-shm");
	return rename_file(f, name, "-wal", wal) && rename_file(f, name, "", file);
}

void logfiles_remove(const struct logfiles *f, const char *name)
{
	static const char *const endings[] = { "", "-wal", "-shm", LOGDB_NEW };

	for (size_t i = 0; i < countof(endings); i++)
		remove_ending(f, name, endings[i]);
}

void logfiles_remove_rest(const struct logfiles *f, const char *name)
{
	DIR *d = opendir(f->dir);
	struct dirent *entry;

	if (d == NULL)
		return;
	while ((entry = readdir(d)) != NULL) {
		if (str_starts(str_c(entry->d_name), str_c(name)))
			(void)unlinkat(dirfd(d), entry->d_name, 0);
	}
	(void)fsync(dirfd(d));
	closedir(d);
}

bool logfiles_is_aside(struct str name, int64_t *ret_ms)
{
	struct str mark = STR(LOGFILES_ENDING LOGFILES_ASIDE);

	for (size_t i = 0; i + mark.n < name.n; i++) {
		struct str rest = str_from(name, i);

		if (str_starts(rest, mark)) {
			rest = str_from(rest, mark.n);
			return str_i64(str_cut(&rest, '-'), ret_ms);
		}
	}
	return false;
}
