/* replay.c - a fuzz target without a fuzzer: runs it on every file below the directories given.
 *
 * Each file gets a process of its own with a time limit, so that a crash or a hang names the file
 * that brought it about. Nothing to replay is a failure: a corpus is never empty.
 */
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/compiler.h"

enum { FILE_TIMEOUT_S = 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int passed, failed;

static void run_file(const char *path, size_t size)
{
	/* Exactly as large as the file, so that a sanitizer sees a read past the end. */
	uint8_t *data = malloc(size ? size : 1);
	FILE *f = fopen(path, "rb");

	if (!data || !f || fread(data, 1, size, f) != size) {
		perror(path);
		exit(1);
	}
	fclose(f);
	alarm(FILE_TIMEOUT_S);
	LLVMFuzzerTestOneInput(data, size);
	free(data);
	exit(0);
}

static int visit(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	int status = -1;
	pid_t pid;

	if (type != FTW_F)
		return 0;
	fflush(NULL);
	pid = fork();
	if (!pid)
		run_file(path, (size_t)st->st_size);
	if (pid > 0 && waitpid(pid, &status, 0) == pid && status == 0) {
		passed++;
	} else {
		failed++;
		printf("FAIL %s (wait status %d)\n", path, status);
	}
	return 0;
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		nftw(argv[i], visit, 16, FTW_PHYS);
	printf("%d passed, %d failed\n", passed, failed);
	return failed || !passed;
}
