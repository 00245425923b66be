#include "app/dirs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/str.h"

char *dirs_join(const char *dir, const char *name)
{
	size_t n = strlen(dir) + strlen(name) + 2;
	char *path = xmalloc(n);

	snprintf(path, n, "%s/%s", dir, name);
	return path;
}

/* mkdir -p, for the owner only. */
static bool make_dirs(char *path)
{
	for (char *p = path + 1; *p != '\0'; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		if (mkdir(path, 0755) != 0 && errno != EEXIST)
			return false;
		*p = '/';
	}
	return mkdir(path, 0700) == 0 || errno == EEXIST;
}

/* The development server has one of its own, for its users are public. */
static char *default_dir(enum conf_command command)
{
	const char *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
	const char *name = command == CONF_DEV ? "qstash" : "qstash-server";
	char *share, *path;

	if (data != NULL && *data == '/')
		return dirs_join(data, name);
	if (home == NULL || *home != '/')
		return NULL;
	share = dirs_join(home, ".local/share");
	path = dirs_join(share, name);
	free(share);
	return path;
}

static char *temporary_dir(void)
{
	const char *tmp = getenv("TMPDIR");
	char *path = dirs_join(tmp != NULL && *tmp == '/' ? tmp : "/tmp", "qstash-XXXXXX");

	if (mkdtemp(path) != NULL)
		return path;
	free(path);
	return NULL;
}

char *dirs_find(const struct conf *conf)
{
	return *conf->data_dir != '\0' ? str_dup(str_c(conf->data_dir))
				       : default_dir(conf->command);
}

char *dirs_data(const struct conf *conf, char ret_error[256])
{
	char *path = conf->ephemeral ? temporary_dir() : dirs_find(conf);

	if (path == NULL) {
		snprintf(ret_error, 256, "no data directory: give one with -data-dir");
		return NULL;
	}
	if (!conf->ephemeral && !make_dirs(path)) {
		snprintf(ret_error, 256, "cannot create the data directory %.150s (-data-dir): %s",
			 path, strerror(errno));
		free(path);
		return NULL;
	}
	return path;
}

bool dirs_has(const char *dir, const char *name)
{
	char *path = dirs_join(dir, name);
	bool has = access(path, F_OK) == 0;

	free(path);
	return has;
}

bool dirs_mark(const char *dir, const char *name, char ret_error[256])
{
	char *path = dirs_join(dir, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0)
		snprintf(ret_error, 256, "cannot write %.150s: %s", path, strerror(errno));
	else
		close(fd);
	free(path);
	return fd >= 0;
}

static void remove_files(const char *dir, int levels)
{
	DIR *d = opendir(dir);
	struct dirent *entry;

	if (d == NULL)
		return;
	while ((entry = readdir(d)) != NULL) {
		char *path;

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		path = dirs_join(dir, entry->d_name);
		if (unlink(path) != 0 && levels > 0)
			remove_files(path, levels - 1);
		free(path);
	}
	closedir(d);
	rmdir(dir);
}

void dirs_remove(const char *dir)
{
	remove_files(dir, 1);
}
