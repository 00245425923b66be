#include "core/names.h"

#include "core/limits.h"

static bool is_name_byte(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       c == '-' || c == '_' || c == '.';
}

bool name_is_valid(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (!is_name_byte(s.p[i]))
			return false;
	}
	return s.n > 0 && s.n <= LIMIT_NAME_BYTES;
}
