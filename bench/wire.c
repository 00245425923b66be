#include "wire.h"

#include <string.h>
#include <strings.h>

enum { CHUNK_BITS_MAX = 60, TRAILER_LINE_MAX = 8192 };

static bool is_named(const char *line, size_t n, const char *name, size_t name_n)
{
	return n > name_n && line[name_n] == ':' && strncasecmp(line, name, name_n) == 0;
}

/* Whether the value holds the word, in any case, anywhere. */
static bool has_word(const char *v, size_t n, const char *word, size_t word_n)
{
	for (size_t i = 0; i + word_n <= n; i++)
		if (strncasecmp(v + i, word, word_n) == 0)
			return true;
	return false;
}

static bool read_length(const char *v, size_t n, uint64_t *ret)
{
	uint64_t sum = 0;
	size_t i = 0;

	while (i < n && v[i] == ' ')
		i++;
	for (; i < n && v[i] >= '0' && v[i] <= '9'; i++) {
		if (sum > UINT64_MAX / 100)
			return false;
		sum = sum * 10 + (uint64_t)(v[i] - '0');
	}
	*ret = sum;
	return i == n;
}

/* One field line without its line end. Those with no letter of interest in front cost one look. */
static bool read_field(const char *line, size_t n, struct wire_head *h)
{
	switch (line[0] | 0x20) {
	case 'c':
		if (is_named(line, n, "content-length", 14)) {
			h->has_length = true;
			return read_length(line + 15, n - 15, &h->length);
		}
		if (is_named(line, n, "connection", 10))
			h->close = h->close || has_word(line + 11, n - 11, "close", 5);
		return true;
	case 't':
		if (is_named(line, n, "transfer-encoding", 17))
			h->chunked = has_word(line + 18, n - 18, "chunked", 7);
		return true;
	case 'e':
		if (is_named(line, n, "expect", 6))
			h->expect = has_word(line + 7, n - 7, "100-continue", 12);
		return true;
	default:
		return true;
	}
}

/* The first line: "HTTP/1.1 200 ..." or "POST /path HTTP/1.1". */
static bool read_first(const char *line, size_t n, struct wire_head *h)
{
	const char *version = line;

	if (n < 12)
		return false;
	if (memcmp(line, "HTTP/1.", 7) == 0) {
		for (int i = 9; i < 12; i++) {
			if (line[i] < '0' || line[i] > '9')
				return false;
			h->status = h->status * 10 + (line[i] - '0');
		}
	} else {
		version = line + n - 8;
		if (memcmp(version, "HTTP/1.", 7) != 0)
			return false;
	}
	h->close = version[7] == '0';
	return true;
}

ssize_t wire_head_parse(const char *p, size_t n, struct wire_head *ret)
{
	const char *end = memmem(p, n, "\r\n\r\n", 4);
	struct wire_head h = { 0 };
	const char *line = p;

	if (!end)
		return 0;
	for (;;) {
		const char *eol = memchr(line, '\r', (size_t)(end - line) + 1);
		size_t line_n = (size_t)(eol - line);

		if (eol[1] != '\n' || line_n == 0)
			return -1;
		if (!(line == p ? read_first(line, line_n, &h) : read_field(line, line_n, &h)))
			return -1;
		if (eol == end)
			break;
		line = eol + 2;
	}
	*ret = h;
	return end + 4 - p;
}

struct wire_body wire_body_start(const struct wire_head *h)
{
	if (h->chunked)
		return (struct wire_body){ WIRE_SIZE, 0 };
	if (h->has_length && h->length > 0)
		return (struct wire_body){ WIRE_DATA, h->length };
	return (struct wire_body){ WIRE_DONE, 0 };
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One byte of the framing between chunks. */
static void take_framing(struct wire_body *b, char c)
{
	int digit;

	switch (b->state) {
	case WIRE_SIZE:
		digit = hex_digit(c);
		if (digit >= 0 && b->left >> CHUNK_BITS_MAX == 0)
			b->left = b->left << 4 | (uint64_t)digit;
		else
			b->state = c == '\r' || c == ';' || c == ' ' ? WIRE_EXT : WIRE_BAD;
		break;
	case WIRE_EXT:
		if (c == '\n')
			b->state = b->left > 0 ? WIRE_CHUNK : WIRE_TRAILER;
		break;
	case WIRE_CHUNK_END:
		if (c == '\n')
			*b = (struct wire_body){ WIRE_SIZE, 0 };
		else if (c != '\r')
			b->state = WIRE_BAD;
		break;
	case WIRE_TRAILER:
		if (c == '\n' && b->left == 0)
			b->state = WIRE_DONE;
		else if (c == '\n')
			b->left = 0;
		else if (c != '\r' && ++b->left > TRAILER_LINE_MAX)
			b->state = WIRE_BAD;
		break;
	default:
		b->state = WIRE_BAD;
		break;
	}
}

static bool is_content(const struct wire_body *b)
{
	return b->state == WIRE_DATA || b->state == WIRE_CHUNK;
}

static bool is_over(const struct wire_body *b)
{
	return b->state == WIRE_DONE || b->state == WIRE_BAD;
}

size_t wire_body_take(struct wire_body *b, const char *p, size_t n, const char **ret_data,
		      size_t *ret_data_n)
{
	size_t used = 0;
	size_t piece;

	*ret_data_n = 0;
	while (used < n && !is_content(b) && !is_over(b))
		take_framing(b, p[used++]);
	if (used == n || !is_content(b))
		return used;
	piece = n - used < b->left ? n - used : (size_t)b->left;
	*ret_data = p + used;
	*ret_data_n = piece;
	b->left -= piece;
	if (b->left == 0)
		b->state = b->state == WIRE_DATA ? WIRE_DONE : WIRE_CHUNK_END;
	return used + piece;
}
