/* directory.h - what the home database knows: the databases of the pool, and where each user lives.
 *
 * Documents of kind DOC_DIRECTORY, which belong to no user. Their names are a letter for what they are, and the name of
 * the database or the id of the user. A user without an entry lives where its document is. The entry of one that has
 * been deleted stays, and is taken over by the next one under the id.
 */
#ifndef ENGINE_DIRECTORY_H
#define ENGINE_DIRECTORY_H

#include "base/buf.h"
#include "base/compiler.h"
#include "base/str.h"

#define DIRECTORY_USER STR("@") /* no user can have that id */
#define DIRECTORY_DATABASE 'd'
#define DIRECTORY_PLACE 'u'

enum { DIRECTORY_NAME_MAX = 64, DIRECTORY_URL_MAX = 1024, DIRECTORY_BYTES_MAX = 4096 };

struct directory_database {
	struct str name, url;
	bool draining; /* gets no new users, and those that it has are moved away */
};

/* Where a user lives. */
struct directory_place {
	struct str database;
	struct str to;   /* it is on its way there; empty = it is not */
	struct str from; /* it has come from there, where something may be left */
};

void directory_database_encode(struct buf *out, const struct directory_database *d);
must_use bool directory_database_decode(struct str record, struct directory_database *ret_d);
void directory_place_encode(struct buf *out, const struct directory_place *p);
must_use bool directory_place_decode(struct str record, struct directory_place *ret_p);
/* The name of a document: the letter and the name. */
void directory_name(struct buf *out, char letter, struct str name);

#endif
