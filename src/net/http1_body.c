#include "net/http1.h"

#include <string.h>

#include "base/check.h"

/* The chunk parser is a machine over single bytes, except for the payload, which is handed out
 * whole.
 *
 *	SIZE_FIRST > SIZE > (SPACE > EXTENSION) > SIZE_LF > DATA > DATA_CR > DATA_LF > ...
 *	... SIZE_LF of the last chunk > LINE > (NAME > FIELD > FIELD_LF > LINE) > END_LF > END
 */
enum {
	SIZE_FIRST, /* the first digit */
	SIZE,       /* more digits, or what ends them */
	SPACE,      /* spaces between the size and ';' */
	EXTENSION,  /* up to CR; dropped */
	SIZE_LF,
	DATA,
	DATA_CR,
	DATA_LF,
	LINE, /* start of a trailer line or of the empty line */
	NAME,
	FIELD,
	FIELD_LF,
	END_LF,
	END,
};

enum {
	SIZE_DIGITS_MAX = 16,            /* with leading zeros */
	SIZE_BITS_MAX = 56,              /* keeps every sum of sizes far from overflow */
	EXTENSION_BYTES_MAX = 16 * 1024, /* of all chunk lines, beyond twice the payload */
};

void http1_body_start(struct http1_body_reader *r, const struct http1_head *head)
{
	*r = (struct http1_body_reader){ .kind = head->body, .state = SIZE_FIRST };
	if (r->kind == HTTP1_BODY_LENGTH)
		r->left = head->body_bytes;
}

static int hex_value(unsigned char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* A digit of the chunk's size, or what may follow the digits. */
static bool size_byte(struct http1_body_reader *r, unsigned char c)
{
	int digit = hex_value(c);

	if (digit >= 0) {
		r->left = r->left << 4 | (uint64_t)digit;
		r->state = SIZE;
		return r->line_bytes <= SIZE_DIGITS_MAX && r->left >> SIZE_BITS_MAX == 0;
	}
	if (r->state == SIZE_FIRST)
		return false;
	r->state = c == '\r' ? SIZE_LF : c == ';' ? EXTENSION : SPACE;
	return c == '\r' || c == ';' || c == ' ' || c == '\t';
}

/* A byte that belongs to a value, or the CR that ends it. */
static bool value_byte(struct http1_body_reader *r, unsigned char c, int after_cr)
{
	if (c == '\r') {
		r->state = after_cr;
		return true;
	}
	return http1_is_value(str_n(&c, 1));
}

/* Extensions must not be a way to send far more than the payload that is counted. */
static bool extension_byte(struct http1_body_reader *r, unsigned char c)
{
	r->extension_bytes++;
	if (r->line_bytes > HTTP1_CHUNK_LINE_MAX ||
	    r->extension_bytes > EXTENSION_BYTES_MAX + 2 * r->total)
		return false;
	if (r->state == EXTENSION)
		return value_byte(r, c, SIZE_LF);
	r->state = c == ';' ? EXTENSION : SPACE;
	return c == ';' || c == ' ' || c == '\t';
}

static bool chunk_line_byte(struct http1_body_reader *r, unsigned char c)
{
	r->line_bytes++;
	if (r->state == SPACE || r->state == EXTENSION)
		return extension_byte(r, c);
	if (r->state != SIZE_LF)
		return size_byte(r, c);
	r->state = r->left > 0 ? DATA : LINE;
	r->line_bytes = 0;
	return c == '\n';
}

static bool trailer_byte(struct http1_body_reader *r, unsigned char c)
{
	r->line_bytes++;
	if (r->line_bytes > HTTP1_TRAILER_MAX)
		return false;
	switch (r->state) {
	case LINE:
		r->state = c == '\r' ? END_LF : NAME;
		return c == '\r' || http1_is_token(str_n(&c, 1));
	case NAME:
		if (c == ':')
			r->state = FIELD;
		return c == ':' || http1_is_token(str_n(&c, 1));
	case FIELD:
		return value_byte(r, c, FIELD_LF);
	default:
		r->state = r->state == FIELD_LF ? LINE : END;
		return c == '\n';
	}
}

static bool frame_byte(struct http1_body_reader *r, unsigned char c)
{
	if (r->state < DATA)
		return chunk_line_byte(r, c);
	if (r->state >= LINE)
		return trailer_byte(r, c);
	check(r->state != DATA);
	if (r->state == DATA_CR) {
		r->state = DATA_LF;
		return c == '\r';
	}
	r->state = SIZE_FIRST;
	return c == '\n';
}

/* Cuts at most the bytes that are due from the front of *in. */
static struct str take_payload(struct http1_body_reader *r, struct str *in)
{
	size_t n = r->left < in->n ? (size_t)r->left : in->n;
	struct str piece = str_n(in->p, n);

	*in = str_from(*in, n);
	r->left -= n;
	r->total += n;
	return piece;
}

static enum http1_result read_chunked(struct http1_body_reader *r, struct str *in,
				      struct str *ret_piece)
{
	size_t at = 0;

	while (r->state != END && r->state != DATA && at < in->n)
		if (!frame_byte(r, (unsigned char)in->p[at++]))
			return HTTP1_REFUSED;
	*in = str_from(*in, at);
	if (r->state == END)
		return HTTP1_DONE;
	if (r->state == DATA && in->n > 0) {
		*ret_piece = take_payload(r, in);
		if (r->left == 0)
			r->state = DATA_CR;
	}
	return HTTP1_MORE;
}

enum http1_result http1_body_read(struct http1_body_reader *r, struct str *in,
				  struct str *ret_piece)
{
	*ret_piece = STR_NULL;
	switch (r->kind) {
	case HTTP1_BODY_NONE:
		return HTTP1_DONE;
	case HTTP1_BODY_LENGTH:
		*ret_piece = take_payload(r, in);
		return r->left == 0 ? HTTP1_DONE : HTTP1_MORE;
	case HTTP1_BODY_CHUNKED:
		return read_chunked(r, in, ret_piece);
	case HTTP1_BODY_CLOSE:
		r->left = in->n;
		*ret_piece = take_payload(r, in);
		return HTTP1_MORE;
	}
	unreachable();
}

bool http1_body_closed(const struct http1_body_reader *r)
{
	switch (r->kind) {
	case HTTP1_BODY_NONE:
	case HTTP1_BODY_CLOSE:
		return true;
	case HTTP1_BODY_LENGTH:
		return r->left == 0;
	case HTTP1_BODY_CHUNKED:
		return r->state == END;
	}
	unreachable();
}
