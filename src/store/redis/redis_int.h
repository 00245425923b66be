/* redis_int.h - what the files of the Redis backend share, and the design of its data.
 *
 *	redis_store.c   the handle: batches from the loop to the connection's thread and back
 *	redis_conn.c    connecting, the server's fitness, the function library
 *	redis_url.c     URLs
 *	redis_tls*.c    TLS, where the client library offers it
 *	redis_batch.c   a batch as turns in one pipeline
 *	redis_wire.c    requests as arguments
 *	redis_reply.c   answers as results
 *	redis_outbox.c  the outbox: its stream, and entries as packed events
 *	*.lua           the function library; start with head.lua, then turn.lua
 *
 * A turn is one call of the function qstash_turn: some requests, in their order, atomically. What it reads often is
 * read once and written once, so that a turn with many messages costs little more than their own keys. It gives the
 * outbox one entry. Turns are cut by number and bytes, because the server does nothing else meanwhile.
 *
 * Keys of a user. All begin with q{user}, so that they hash to one slot and can be moved together. Ids (seq, nonce,
 * lease) are 8 bytes, big-endian: they sort by bytes, and numbers in Lua are doubles, which cannot hold them.
 *
 *	m<seq>     string   a message: head (where it stands, due, retried, lease), names of queue, key and run, record.
 *	                    Changing its state overwrites the head in place; the record is written once.
 *	i          zset     its messages that are not leased, by seq
 *	w          zset     the user's lane: seq by due time
 *	q<queue>   zset     without a slot in the queue: seq in order
 *	p<queue>   zset     with a slot, parked because the queue is paused
 *	f<key>     zset     waiting at a flow key: seq by the time of coming there
 *	s<seq>     zset     callbacks that share that message's queue slot
 *	u          string   the user's gate, and today's usage
 *	g          hash     queues and flow keys: counts, limits, pause, window
 *	nq, nf     zset     their names in order
 *	r          zset     lanes where somebody may start, in turns
 *	k          hash     deduplication keys
 *	d, e       zset, hash   dead letters: in order; their contents
 *	c          hash     documents
 *	y          hash     usage of former days
 *	o, a       zset     runs: open ones, all, by name and time of creation
 *	t<run>     string   a run: head (version, counts, last entry), record
 *	h<run>     list     its entries; a body is stored once, and read by ranges
 *	x<run>     hash     its keys
 *	b<run>, z<run>  zset, set  its member messages, by seq; its member documents
 *	D<name>    zset     while it is moved to another database: its part of the directory of that name
 *
 * Keys of the database: directories, which could be made anew from the users' keys, and what belongs to no user.
 *
 *	q:rotation zset     users that could start something now, in turns: a claim looks at nobody else
 *	q:wake     zset     gates by the time at which they open or somebody becomes due
 *	q:l<holder> set     what a holder has leased: seq and user
 *	q:holders  hash     holders by their last sign of life
 *	q:due      zset     documents by due time;  q:docs<kind>  zset  their names by user
 *	q:dedup, q:dead, q:forget, q:days, q:runs  zset  what housekeeping has to remove, by time
 *	q:ended0, q:ended1  set  ended messages, so that the repetition of a put whose answer was lost is recognised
 *	q:moves    hash     users that came from other databases: number of the move, how far it is (user.lua)
 *	q:log      stream   the outbox; its consumer groups are readers that keep it (outbox.lua)
 *	q:marks    list     positions in it, a piece of it apart
 *	q:meta     string   counters
 *	q:name     string   what the database calls itself
 *
 * Lanes, gates, the rotation and what keeps them true are the embedded backend's (sqlite_int.h), and both give the same
 * answers to the same requests, which a test shows. Where that one counts in memory, this one counts in the gates'
 * keys, for there is no process whose end would clear the counts: leases are ended one by one, by whoever finds their
 * holder dead.
 *
 * Nothing has a time to live, and no script reads a clock: time comes in with the turn.
 *
 * Repetition. A lease token is the holder and the request's ticket, so a claim or put that comes again finds
 * what its lost self had leased; a settle that comes again is refused by its token; q:ended tells a put
 * whose message is over from one that never arrived.
 */
#ifndef STORE_REDIS_REDIS_INT_H
#define STORE_REDIS_REDIS_INT_H

#include <hiredis/hiredis.h>
#include <pthread.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/check.h"
#include "store/redis/redis_store.h"

enum {
	REDIS_HOLDER_BYTES = 3,
	REDIS_TICKET_BITS = 40,       /* of a lease token; the rest is the holder */
	REDIS_TURN_REQS = 128,        /* requests after which a turn is cut */
	REDIS_TURN_BYTES = 512 << 10, /* the same for their bytes */
	REDIS_PIPELINE_TURNS = 8,     /* turns sent before the first answer is awaited */
	REDIS_CONNECT_MS = 2000,
	REDIS_ANSWER_MS = 20000,
	REDIS_BACKOFF_MIN_MS = 50, /* between attempts to connect */
	REDIS_BACKOFF_MAX_MS = 2000,
};

enum { REDIS_LIBRARY_VERSION = 2 }; /* head.lua's */
extern const char redis_library[];  /* all of it, NUL-terminated; generated */

struct redis_url {
	char *host;            /* NULL: a socket */
	char *path;            /* of the socket */
	char *user, *password; /* NULL: none */
	int port;
	int database;
	bool tls;
};

struct redis_handle {
	struct store store; /* first */
	bool threaded, allow_unsafe;
	bool reader; /* no holder of leases: it tails and scans */
	size_t outbox_bytes_max;
	bool loading; /* at the last attempt to connect the server was reading its files */
	bool reached; /* ... it was there */
	int64_t lease_ms;
	void (*wake)(void *arg);
	void *wake_arg;
	bool sole;
	bool is_holder; /* of the thread that runs batches, like the next */
	char holder[REDIS_HOLDER_BYTES];
	struct redis_url url;

	struct store_reqs pending; /* the loop's: submitted */
	int64_t beat_ms;           /* the loop's: time of the last turn that it asked for */

	/* Of the thread that runs batches. */
	redisContext *conn;  /* NULL: not connected */
	int64_t retry_at_ms; /* no attempt to connect before */
	int64_t backoff_ms;
	size_t entry_bytes; /* of an outbox entry, at the last reading */

	/* From here on: under `mutex`. */
	pthread_mutex_t mutex;
	pthread_cond_t work;
	struct store_reqs queued;   /* flushed */
	struct store_reqs finished; /* to be polled */
	bool beat;                  /* a turn is due although there may be no requests */
	int64_t queued_now_ms;      /* latest flush */
	pthread_t thread;
	bool away;     /* the last attempt to connect failed */
	bool has_info; /* `info` is for the loop to take */
	struct store_info info;
	bool stop; /* the thread ends when nothing is queued */
	bool drop; /* ... at once */
	uint64_t outbox_last, outbox_dropped;
	int64_t alive_ms; /* time of the last turn that was answered */
	char database[STORE_DATABASE_BYTES];
	struct redis_stats stats;
};

/* Registers the handle at the server, if it is not yet. False with the reason. */
must_use bool redis_store_become_holder(struct redis_handle *h, int64_t now_ms,
					char ret_error[REDIS_ERROR_LEN]);

/* redis_url.c. False with the reason, which quotes no password. */
must_use bool redis_url_parse(struct str text, struct redis_url *ret_url,
			      char ret_error[REDIS_ERROR_LEN]);
void redis_url_done(struct redis_url *url);

/* redis_conn.c */
/* Connects, and sees to it that the server is fit and has our library. */
must_use redisContext *redis_conn_open(struct redis_handle *h, char ret_error[REDIS_ERROR_LEN]);
/* One command, whose answer the caller frees. NULL when the connection broke or the answer is an error, with the reason. */
must_use redisReply *redis_conn_call(redisContext *c, size_t n, const struct str *args,
				     char ret_error[REDIS_ERROR_LEN]);

/* redis_tls.c, or redis_tls_none.c. False with the reason. */
must_use bool redis_tls_start(redisContext *c, const struct redis_url *url,
			      char ret_error[REDIS_ERROR_LEN]);

/* redis_batch.c. Runs requests off the front of the list, a pipeline's worth, and returns them with their results. With
 * an empty list, it gives a sign of life. */
struct store_reqs redis_batch_run(struct redis_handle *h, struct store_reqs *reqs, int64_t now_ms);

/* redis_wire.c: the arguments of a call, in the making. */
struct redis_args {
	struct arena arena; /* packed values; strings of requests are pointed to */
	const char **v;
	size_t *n; /* their lengths */
	size_t count, cap;
	size_t bytes;
};

void redis_wire_init(struct redis_args *a);
void redis_wire_done(struct redis_args *a);
/* Empties it and begins the call of a function of the library. */
void redis_wire_begin(struct redis_args *a, struct str function);
/* qstash_turn, or qstash_drain, which also runs when the server's memory is full. */
void redis_wire_turn(struct redis_args *a, struct str function, const struct redis_handle *h,
		     int64_t now_ms);
void redis_wire_req(struct redis_args *a, const struct redis_handle *h, struct store_req *r);
void redis_wire_open(struct redis_args *a, int64_t now_ms, bool sole);
void redis_wire_close(struct redis_args *a, const char holder[REDIS_HOLDER_BYTES], int64_t now_ms);
void redis_wire_check(struct redis_args *a, int64_t now_ms);
/* What a reader says before it reads. */
void redis_wire_took(struct redis_args *a, const struct tail *t, size_t bytes_max);
void redis_wire_position(struct redis_args *a);

/* redis_reply.c. False when it is not what the library answers. */
must_use bool redis_reply_turn(const redisReply *reply, uint64_t *ret_outbox_last);
must_use bool redis_reply_req(const redisReply *reply, struct store_req *r);
must_use bool redis_reply_open(const redisReply *reply, char ret_holder[REDIS_HOLDER_BYTES],
			       struct store_info *ret_info);

/* Reads packed values off the front; sticky. */
struct redis_reader {
	struct str left;
	bool broken;
};
uint8_t redis_reply_byte(struct redis_reader *r);
uint32_t redis_reply_u32(struct redis_reader *r);
uint64_t redis_reply_id(struct redis_reader *r);
int64_t redis_reply_number(struct redis_reader *r);
struct str redis_reply_bytes(struct redis_reader *r, size_t n);

/* redis_outbox.c: the stream, which is read without the library. */
/* Sends what a tail asks: two commands, the second of which is answered with entries, of which so many were asked for.
 * False: the connection broke. */
must_use bool redis_outbox_ask(struct redis_handle *h, struct tail *t, size_t *ret_wanted);
/* The first answer. False when it is not what the library answers. */
must_use bool redis_outbox_begin(struct redis_handle *h, const redisReply *reply, struct tail *t);
must_use bool redis_outbox_read(struct redis_handle *h, const redisReply *list, size_t wanted,
				struct tail *t);

#endif
