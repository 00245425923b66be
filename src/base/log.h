/* log.h - one structured line per event on standard error.
 *
 *	log_warn("store", "commit took %lld ms", ms)
 *
 * A line is `time level module: text`. Only shell code
 * (engine, api, app, backends) logs; base/ and core/ never do. One failure, one line: log_allowed
 * refuses repeats so that an outsider cannot fill a disk.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/compiler.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR, LOG_OFF };

/* Process-wide, set once at start by app/ and by test programs (the one piece of global state). */
void log_setup(enum log_level least);
/* `module` is the folder's or file's stem; fmt is a whole sentence in words. */
void log_line(enum log_level level, const char *module, const char *fmt, ...) printf_like(3, 4);

#define log_debug(module, ...) log_line(LOG_DEBUG, module, __VA_ARGS__)
#define log_info(module, ...) log_line(LOG_INFO, module, __VA_ARGS__)
#define log_warn(module, ...) log_line(LOG_WARN, module, __VA_ARGS__)
#define log_error(module, ...) log_line(LOG_ERROR, module, __VA_ARGS__)

/* At most `per_minute` lines from one place; pass a static struct. Says how many were left out. */
struct log_limit {
	int64_t window_start_ms;
	int count, skipped;
};
bool log_allowed(struct log_limit *l, int per_minute, int64_t now_ms);

#endif
