#include "net/http1.h"

#include <string.h>

#include "base/check.h"

/* A head is read in two steps. First its end is looked for, line end by line end, which is all that
 * happens while it is incomplete. Then the whole head is taken apart in one pass over its bytes.
 * That pass needs no length checks: no class below contains CR or LF, so every scan stops at the
 * latest at the empty line. */

enum { TOKEN = 1, VALUE = 2, TARGET = 4, HOST = 8 };

#define ANY (TOKEN | VALUE | TARGET | HOST)
#define VT (VALUE | TARGET)
#define VTH (VALUE | TARGET | HOST)
#define TVT (TOKEN | VALUE | TARGET)

/* clang-format off */
static const uint8_t byte_class[256] = {
	['\t'] = VALUE, [' '] = VALUE,
	['!'] = ANY, ['"'] = VT, ['#'] = TOKEN | VALUE, ['$'] = ANY, ['%'] = ANY, ['&'] = ANY,
	['\''] = ANY, ['('] = VTH, [')'] = VTH, ['*'] = ANY, ['+'] = ANY, [','] = VT, ['-'] = ANY,
	['.'] = ANY, ['/'] = VT, ['0' ... '9'] = ANY, [':'] = VTH, [';'] = VTH, ['<'] = VT,
	['='] = VTH, ['>'] = VT, ['?'] = VT, ['@'] = VT, ['A' ... 'Z'] = ANY, ['['] = VTH,
	['\\'] = VT, [']'] = VTH, ['^'] = TVT, ['_'] = ANY, ['`'] = TVT, ['a' ... 'z'] = ANY,
	['{'] = VT, ['|'] = TVT, ['}'] = VT, ['~'] = ANY,
	[0x80 ... 0xff] = VT,
};
/* clang-format on */

/* What the fields say about the end of the message and of the connection. */
struct framing {
	uint64_t length;
	int lengths, codings, hosts; /* fields seen */
	bool close, keep_alive, expects_continue;
};

struct parser {
	const char *p;    /* next byte */
	const char *stop; /* the empty line */
	const char *end;  /* after it */
	struct http1_head *head;
	bool is_tolerant; /* of a response, see http1.h */
	bool is_odd;      /* something had to be tolerated */
	struct framing f;
	struct http1_refusal refusal;
};

static bool is(char c, int class)
{
	return byte_class[(unsigned char)c] & class;
}

static bool refuse(struct parser *ps, int status, const char *why)
{
	ps->refusal = (struct http1_refusal){ status, why };
	return false;
}

/* Looks for the empty line from *scan on; `lead` is where the first line starts. Refuses at once
 * what no further byte can heal, in the order of the bytes, so that the answer does not depend on
 * how the head was cut into pieces. */
static enum http1_result find_end(struct parser *ps, struct str in, size_t lead, size_t *scan)
{
	size_t n = in.n < HTTP1_HEAD_MAX ? in.n : HTTP1_HEAD_MAX;
	size_t pos = *scan > lead ? *scan : lead;
	const char *before = pos > lead ? memrchr(in.p + lead, '\n', pos - lead) : NULL;
	size_t line = before ? (size_t)(before + 1 - in.p) : lead;
	const char *lf;
	bool has_cr;

	while (pos < n && (lf = memchr(in.p + pos, '\n', n - pos)) != NULL) {
		size_t at = (size_t)(lf - in.p);

		if (at - line > HTTP1_LINE_MAX)
			break;
		has_cr = at > line && lf[-1] == '\r';
		if (!has_cr && !ps->is_tolerant) {
			refuse(ps, 400, "a line must end in CR LF");
			return HTTP1_REFUSED;
		}
		pos = at + 1;
		if (at - line == has_cr) {
			ps->p = in.p + lead;
			ps->stop = in.p + line;
			ps->end = in.p + pos;
			ps->is_odd = !has_cr;
			return HTTP1_DONE;
		}
		line = pos;
	}
	*scan = n;
	if (n - line > HTTP1_LINE_MAX)
		refuse(ps, line == lead ? 414 : 431, "a line is too long");
	else if (n == HTTP1_HEAD_MAX)
		refuse(ps, 431, "the head is too long");
	else
		return HTTP1_MORE;
	return HTTP1_REFUSED;
}

/* Empty lines before a request line: old clients send one after a body. */
static enum http1_result skip_empty_lines(struct parser *ps, struct str in, size_t *ret_lead)
{
	size_t at = 0;

	while (at < in.n && in.p[at] == '\r') {
		if (at == 4) {
			refuse(ps, 400, "too many empty lines before the request line");
			return HTTP1_REFUSED;
		}
		if (at + 1 == in.n)
			return HTTP1_MORE;
		if (in.p[at + 1] != '\n') {
			refuse(ps, 400, "a line must end in CR LF");
			return HTTP1_REFUSED;
		}
		at += 2;
	}
	*ret_lead = at;
	return at < in.n ? HTTP1_DONE : HTTP1_MORE;
}

/* The longest run of bytes of a class. */
static struct str take(struct parser *ps, int class)
{
	const char *start = ps->p;

	while (is(*ps->p, class))
		ps->p++;
	return str_n(start, (size_t)(ps->p - start));
}

/* The same for VALUE, where eight bytes at once pay: a word is skipped when none of its bytes is
 * below 0x20 or is 0x7f. */
static struct str take_value(struct parser *ps)
{
	const uint64_t ones = 0x0101010101010101, tops = 0x8080808080808080;
	const char *start = ps->p;
	uint64_t w, del;

	while (ps->end - ps->p >= 8) {
		memcpy(&w, ps->p, 8);
		del = w ^ (ones * 0x7f);
		if (((w - ones * 0x20) & ~w & tops) | ((del - ones) & ~del & tops))
			break;
		ps->p += 8;
	}
	while (is(*ps->p, VALUE))
		ps->p++;
	return str_n(start, (size_t)(ps->p - start));
}

static bool take_line_end(struct parser *ps, const char *why)
{
	if (ps->is_tolerant && ps->p[0] == '\n') {
		ps->is_odd = true;
		ps->p++;
		return true;
	}
	if (ps->p[0] != '\r' || ps->p[1] != '\n')
		return refuse(ps, 400, why);
	ps->p += 2;
	return true;
}

static bool take_version(struct parser *ps)
{
	const char *p = ps->p;

	if (ps->end - p < 8 || memcmp(p, "HTTP/", 5) != 0 || p[5] < '0' || p[5] > '9' ||
	    p[6] != '.' || p[7] < '0' || p[7] > '9')
		return refuse(ps, 400, "the version must be HTTP/1.0 or HTTP/1.1");
	if (p[5] != '1' || p[7] > '1')
		return refuse(ps, 505, "the version must be HTTP/1.0 or HTTP/1.1");
	ps->head->minor = p[7] - '0';
	ps->p += 8;
	return true;
}

/* http://authority/path becomes /path. */
static bool cut_absolute_form(struct parser *ps, struct str *target)
{
	size_t scheme = str_istarts(*target, STR("http://")) ? 7 : 8, at = scheme;

	while (at < target->n && is(target->p[at], HOST))
		at++;
	if (at == scheme || (at < target->n && target->p[at] != '/'))
		return refuse(ps, 400, "the target must be a path, or http://host/path");
	/* Without a path, the last slash of the scheme stands for it. */
	*target = at < target->n ? str_from(*target, at) : str_sub(*target, scheme - 1, 1);
	return true;
}

static bool check_target(struct parser *ps)
{
	struct str *target = &ps->head->target;

	if (str_eq(ps->head->method, STR("CONNECT")))
		return refuse(ps, 501, "CONNECT is not supported");
	if (target->p[0] == '/')
		return true;
	if (str_istarts(*target, STR("http://")) || str_istarts(*target, STR("https://")))
		return cut_absolute_form(ps, target);
	if (str_eq(*target, STR("*")) && str_eq(ps->head->method, STR("OPTIONS")))
		return true;
	return refuse(ps, 400, "the target must be a path, or http://host/path");
}

static bool take_request_line(struct parser *ps)
{
	struct http1_head *head = ps->head;

	head->method = take(ps, TOKEN);
	if (*ps->p != ' ')
		return refuse(ps, 400, "the method must be a word, followed by one space");
	ps->p++;
	head->target = take(ps, TARGET);
	if (head->target.n == 0 || *ps->p != ' ')
		return refuse(ps, 400,
			      "the target must have no spaces, control bytes or fragment, and be "
			      "followed by one space and the version");
	ps->p++;
	return take_version(ps) && take_line_end(ps, "the version must end the request line") &&
	       check_target(ps);
}

static bool take_status_line(struct parser *ps)
{
	const char *p;

	if (!take_version(ps))
		return false;
	p = ps->p;
	if (ps->end - p < 4 || p[0] != ' ' || p[1] < '1' || p[1] > '9' || p[2] < '0' ||
	    p[2] > '9' || p[3] < '0' || p[3] > '9')
		return refuse(ps, 400, "the status must be three digits after one space");
	ps->head->status = (p[1] - '0') * 100 + (p[2] - '0') * 10 + (p[3] - '0');
	ps->p += 4;
	/* Many servers leave out the space before an empty reason. */
	if (*ps->p == ' ')
		take_value(ps);
	return take_line_end(
		ps, "the reason phrase has a control byte, or the status is not three digits");
}

static bool read_length(struct parser *ps, struct str value)
{
	uint64_t length;

	if (!str_u64(value, &length))
		return refuse(ps, 400, "Content-Length must be one decimal number");
	if (ps->f.lengths++ && !(ps->is_tolerant && length == ps->f.length))
		return refuse(ps, 400, "there are two Content-Length fields");
	ps->f.length = length;
	return true;
}

static bool read_coding(struct parser *ps, struct str value)
{
	size_t last = value.n;

	/* What it meant, before it was abolished, is: no coding. */
	if (ps->is_tolerant && str_ieq(value, STR("identity")))
		return true;
	if (ps->f.codings++)
		return refuse(ps, 400, "there are two Transfer-Encoding fields");
	if (str_ieq(value, STR("chunked")))
		return true;
	while (last > 0 && value.p[last - 1] != ',')
		last--;
	if (last > 0 && str_ieq(str_trim(str_from(value, last)), STR("chunked")))
		return refuse(ps, 501, "no transfer coding but chunked is supported");
	return refuse(ps, ps->is_tolerant ? 501 : 400, "Transfer-Encoding must be chunked");
}

static bool read_host(struct parser *ps, struct str value)
{
	if (ps->f.hosts++)
		return refuse(ps, 400, "there are two Host fields");
	for (size_t i = 0; i < value.n; i++)
		if (!is(value.p[i], HOST))
			return refuse(ps, 400, "Host must be a host name or address");
	return true;
}

static bool read_connection(struct parser *ps, struct str value)
{
	while (value.n > 0) {
		struct str option = str_trim(str_cut(&value, ','));

		if (str_ieq(option, STR("close")))
			ps->f.close = true;
		else if (str_ieq(option, STR("keep-alive")))
			ps->f.keep_alive = true;
	}
	return true;
}

static bool read_expect(struct parser *ps, struct str value)
{
	if (!str_ieq(value, STR("100-continue")))
		return refuse(ps, 417, "Expect must be 100-continue");
	ps->f.expects_continue = true;
	return true;
}

/* The few fields that decide where the message ends and what becomes of the connection. */
static bool read_framing(struct parser *ps, const struct http1_field *field)
{
	bool is_request = !ps->head->is_response;

	switch (field->name.n) {
	case 4:
		if (is_request && str_ieq(field->name, STR("Host")))
			return read_host(ps, field->value);
		break;
	case 6:
		if (is_request && str_ieq(field->name, STR("Expect")))
			return read_expect(ps, field->value);
		break;
	case 10:
		if (str_ieq(field->name, STR("Connection")))
			return read_connection(ps, field->value);
		break;
	case 14:
		if (str_ieq(field->name, STR("Content-Length")))
			return read_length(ps, field->value);
		break;
	case 17:
		if (str_ieq(field->name, STR("Transfer-Encoding")))
			return read_coding(ps, field->value);
		break;
	default:
		break;
	}
	return true;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* In a value that has line ends in it. */
static bool is_between_words(char c)
{
	return is_blank(c) || c == '\r' || c == '\n';
}

static void skip_blanks(struct parser *ps)
{
	while (is_blank(*ps->p))
		ps->p++;
}

/* The value and the end of its line. Lines that begin with a blank go on with it. */
static bool take_value_lines(struct parser *ps, struct str *value)
{
	static const char why[] = "a header value must have no control bytes";

	skip_blanks(ps);
	*value = take_value(ps);
	if (!take_line_end(ps, why))
		return false;
	while (ps->is_tolerant && is_blank(*ps->p)) {
		struct str more = take_value(ps);

		if (!take_line_end(ps, why))
			return false;
		ps->is_odd = ps->head->has_folds = true;
		value->n = (size_t)(more.p + more.n - value->p);
	}
	while (value->n > 0 && is_between_words(value->p[value->n - 1]))
		value->n--;
	return true;
}

static bool take_field(struct parser *ps)
{
	struct http1_head *head = ps->head;
	struct http1_field *field = &head->field[head->fields];

	if (head->fields == HTTP1_FIELDS_MAX)
		return refuse(ps, 431, "there are too many header fields");
	if (is_blank(*ps->p))
		return refuse(ps, 400, "a header line must not start with a space");
	field->name = take(ps, TOKEN);
	if (ps->is_tolerant && is_blank(*ps->p)) {
		ps->is_odd = true;
		skip_blanks(ps);
	}
	if (field->name.n == 0 || *ps->p != ':')
		return refuse(ps, 400,
			      "a header name must be a word, directly followed by a colon");
	ps->p++;
	if (!take_value_lines(ps, &field->value))
		return false;
	head->fields++;
	return read_framing(ps, field);
}

static bool take_fields(struct parser *ps)
{
	ps->head->fields = 0;
	ps->head->has_folds = false;
	while (ps->p < ps->stop)
		if (!take_field(ps))
			return false;
	check(ps->p == ps->stop);
	return true;
}

/* How the body ends, from the fields alone. */
static bool decide_framing(struct parser *ps, enum http1_body without)
{
	struct http1_head *head = ps->head;
	struct framing *f = &ps->f;

	if (f->codings && (f->lengths || head->minor == 0)) {
		if (!ps->is_tolerant)
			return refuse(ps, 400,
				      f->lengths ? "Content-Length and Transfer-Encoding exclude "
						   "each other"
						 : "Transfer-Encoding needs HTTP/1.1");
		ps->is_odd = true;
	}
	head->body = f->codings ? HTTP1_BODY_CHUNKED : f->lengths ? HTTP1_BODY_LENGTH : without;
	head->body_bytes = f->length;
	head->keep_alive = !f->close && (head->minor == 1 || f->keep_alive) && !ps->is_odd;
	head->expects_continue = false;
	return true;
}

static bool parse_request(struct parser *ps)
{
	struct http1_head *head = ps->head;

	head->is_response = false;
	head->status = 0;
	if (!take_request_line(ps) || !take_fields(ps) || !decide_framing(ps, HTTP1_BODY_NONE))
		return false;
	if (ps->f.hosts == 0 && head->minor == 1)
		return refuse(ps, 400, "the Host field is missing");
	/* An HTTP/1.0 client cannot wait for an interim answer, and without a body there is nothing
	 * to wait for. */
	head->expects_continue = ps->f.expects_continue && head->minor == 1 &&
				 (head->body == HTTP1_BODY_CHUNKED || head->body_bytes > 0);
	return true;
}

static bool parse_response(struct parser *ps)
{
	struct http1_head *head = ps->head;

	head->is_response = true;
	head->target = STR_NULL;
	if (!take_status_line(ps) || !take_fields(ps) || !decide_framing(ps, HTTP1_BODY_CLOSE))
		return false;
	if (str_eq(head->method, STR("HEAD")) || head->status < 200 || head->status == 204 ||
	    head->status == 304)
		head->body = HTTP1_BODY_NONE;
	if (head->body == HTTP1_BODY_CLOSE)
		head->keep_alive = false;
	return true;
}

static enum http1_result find_head(struct parser *ps, struct str in, size_t lead, size_t *scan)
{
	if (in.n == 0)
		return HTTP1_MORE;
	/* What is no HTTP at all (TLS, say) is refused by its first byte. */
	if (!is(in.p[lead], TOKEN)) {
		refuse(ps, 400, "this is not HTTP/1.1");
		return HTTP1_REFUSED;
	}
	return find_end(ps, in, lead, scan);
}

/* Hands out what the parser found. */
static enum http1_result finish(const struct parser *ps, enum http1_result r, const char *start,
				size_t *ret_bytes, struct http1_refusal *ret_refusal)
{
	if (r == HTTP1_DONE)
		*ret_bytes = (size_t)(ps->end - start);
	check((r == HTTP1_REFUSED) == (ps->refusal.why != NULL));
	if (r == HTTP1_REFUSED)
		*ret_refusal = ps->refusal;
	return r;
}

enum http1_result http1_request_head(struct str in, size_t *scan, struct http1_head *head,
				     size_t *ret_bytes, struct http1_refusal *ret_refusal)
{
	struct parser ps = { .head = head };
	size_t lead = 0;
	enum http1_result r = skip_empty_lines(&ps, in, &lead);

	if (r == HTTP1_DONE)
		r = find_head(&ps, in, lead, scan);
	if (r == HTTP1_DONE && !parse_request(&ps))
		r = HTTP1_REFUSED;
	return finish(&ps, r, in.p, ret_bytes, ret_refusal);
}

enum http1_result http1_response_head(struct str in, size_t *scan, struct http1_head *head,
				      size_t *ret_bytes, struct http1_refusal *ret_refusal)
{
	struct parser ps = { .head = head, .is_tolerant = true };
	enum http1_result r = find_head(&ps, in, 0, scan);

	if (r == HTTP1_DONE && !parse_response(&ps))
		r = HTTP1_REFUSED;
	return finish(&ps, r, in.p, ret_bytes, ret_refusal);
}

static void move(struct str *s, const char *from, const char *to)
{
	if (s->p != NULL)
		s->p = to + (s->p - from);
}

void http1_head_move(struct http1_head *head, const char *from, const char *to)
{
	check(head->fields <= HTTP1_FIELDS_MAX);
	if (!head->is_response) {
		move(&head->method, from, to);
		move(&head->target, from, to);
	}
	for (size_t i = 0; i < head->fields; i++) {
		move(&head->field[i].name, from, to);
		move(&head->field[i].value, from, to);
	}
}

size_t http1_unfold(char *value, size_t n)
{
	size_t out = 0;

	for (size_t i = 0; i < n; i++) {
		if (value[i] != '\r' && value[i] != '\n') {
			value[out++] = value[i];
			continue;
		}
		while (out > 0 && is_blank(value[out - 1]))
			out--;
		while (i + 1 < n && is_between_words(value[i + 1]))
			i++;
		if (out > 0)
			value[out++] = ' ';
	}
	return out;
}

struct str http1_field_get(const struct http1_head *head, struct str name)
{
	for (size_t i = 0; i < head->fields; i++)
		if (str_ieq(head->field[i].name, name))
			return head->field[i].value;
	return STR_NULL;
}

static bool is_all(struct str s, int class)
{
	for (size_t i = 0; i < s.n; i++)
		if (!is(s.p[i], class))
			return false;
	return true;
}

bool http1_is_token(struct str s)
{
	return s.n > 0 && is_all(s, TOKEN);
}

bool http1_is_value(struct str s)
{
	return is_all(s, VALUE);
}
