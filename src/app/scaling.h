/* scaling.h - when another compute process is worth it, and when one is too many.
 *
 * More are wanted when CPU is the bottleneck: when the processes are busy on average, and there is work that waits, for
 * long enough. Fewer are wanted when each of them has little to do for long. After a change both are counted anew.
 */
#ifndef APP_SCALING_H
#define APP_SCALING_H

#include "base/compiler.h"

struct scaling_settings {
	int least, most;  /* processes */
	int busy_percent; /* of one CPU, on average, or more */
	int64_t busy_ms;  /* ... for so long */
	int idle_percent; /* of one CPU, each, or less */
	int64_t idle_ms;  /* ... for so long */
};

/* What one process did since the last look. */
struct scaling_sample {
	int cpu_percent; /* of one CPU */
	bool waiting;    /* it knows of work that it had no room for */
};

struct scaling {
	int64_t busy_since_ms, idle_since_ms; /* mono; 0 = it is not */
};

enum scaling_verdict { SCALING_KEEP, SCALING_MORE, SCALING_FEWER };

/* A look at all n processes, at mono now_ms > 0. */
enum scaling_verdict scaling_look(struct scaling *s, const struct scaling_settings *set,
				  const struct scaling_sample *v, size_t n, int64_t now_ms);
/* A process was started or has ended for another reason. */
void scaling_reset(struct scaling *s);

#endif
