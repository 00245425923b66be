/* quota.h - the soft quotas of a plan: what is beyond them is told, not refused (spec 9.2).
 */
#ifndef CORE_QUOTA_H
#define CORE_QUOTA_H

#include "core/user.h"

/* Are so many messages on one day more than the plan has, and is that no reason to refuse any? */
bool quota_day_is_over(const struct plan *p, int64_t messages);
/* The same for the bytes of a month. */
bool quota_month_is_over(const struct plan *p, int64_t bytes);

#endif
