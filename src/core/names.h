/* names.h - the names of queues, URL groups and schedules (spec 3.1).
 */
#ifndef CORE_NAMES_H
#define CORE_NAMES_H

#include "base/compiler.h"
#include "base/str.h"

/* ASCII letters, digits, '-', '_' and '.'; 1 to LIMIT_NAME_BYTES. */
bool name_is_valid(struct str s);

/* What to say of one that is not. */
#define NAMES_ALLOWED "only letters, digits, '-', '_' and '.' are allowed, at most 256 of them"

#endif
