/* user.h - a user (spec 1.2, 7.2); plan.h has what bounds it.
 */
#ifndef CORE_USER_H
#define CORE_USER_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/compiler.h"
#include "base/str.h"

struct user {
	struct str id;
	struct str token;                 /* base64 of {"UserID":…,"Password":…} */
	struct str read_only_token;       /* empty = none */
	struct str key_current, key_next; /* signing keys, "sig_…" */
	struct str plan;                  /* name */
	int64_t created_ms;
	bool moving;   /* on its way to another database: nothing of it may be changed */
	bool deleting; /* nothing of it may start any more, and everything is being removed */
};

enum { USER_ID_BYTES_MAX = 64 };
#define USER_ID_ALLOWED                                                                 \
	"letters, digits, '_', '-', '.' and '@' are allowed, a letter or digit first, " \
	"at most 64 characters"

/* May a new user have this id? It is a segment of paths, and part of the token. */
bool user_id_is_valid(struct str id);
/* Appends the token of a user: base64 of {"UserID":id,"Password":password}, neither of which needs an escape. */
void user_token(struct buf *out, struct str id, struct str password);

/* The stored document of a user (store.h, DOC_USER). */
void user_encode(struct buf *out, const struct user *u);
must_use bool user_decode(struct str record, struct user *ret_user); /* views into record */

#endif
