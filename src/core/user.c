#include "core/user.h"

#include "base/check.h"
#include "base/codec.h"

/* Never renumbered: stored documents carry them. */
enum user_tag {
	USER_ID = 1,
	USER_TOKEN,
	USER_READ_ONLY_TOKEN,
	USER_KEY_CURRENT,
	USER_KEY_NEXT,
	USER_PLAN,
	USER_CREATED,
	USER_DELETING,
	USER_MOVING,
};

static bool is_plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool user_id_is_valid(struct str id)
{
	for (size_t i = 0; i < id.n; i++) {
		if (!is_plain(id.p[i]) && (i == 0 || !str_has_byte(STR("_-.@"), id.p[i])))
			return false;
	}
	return id.n > 0 && id.n <= USER_ID_BYTES_MAX;
}

void user_token(struct buf *out, struct str id, struct str password)
{
	struct buf json;

	buf_init(&json, 1024);
	buf_fmt(&json, "{\"UserID\":\"%.*s\",\"Password\":\"%.*s\"}", STR_FMT(id),
		STR_FMT(password));
	check(!json.overflow);
	b64_encode(out, buf_str(&json));
	buf_done(&json);
}

void user_encode(struct buf *out, const struct user *u)
{
	tlv_add(out, USER_ID, u->id);
	tlv_add(out, USER_TOKEN, u->token);
	tlv_add(out, USER_READ_ONLY_TOKEN, u->read_only_token);
	tlv_add(out, USER_KEY_CURRENT, u->key_current);
	tlv_add(out, USER_KEY_NEXT, u->key_next);
	tlv_add(out, USER_PLAN, u->plan);
	tlv_i64(out, USER_CREATED, u->created_ms);
	if (u->deleting)
		tlv_i64(out, USER_DELETING, 1);
	if (u->moving)
		tlv_i64(out, USER_MOVING, 1);
}

bool user_decode(struct str record, struct user *ret_user)
{
	struct user u = { 0 };
	struct str value;
	uint8_t tag;
	int got;

	while ((got = tlv_next(&record, &tag, &value)) == 1) {
		if (tag == USER_ID)
			u.id = value;
		else if (tag == USER_TOKEN)
			u.token = value;
		else if (tag == USER_READ_ONLY_TOKEN)
			u.read_only_token = value;
		else if (tag == USER_KEY_CURRENT)
			u.key_current = value;
		else if (tag == USER_KEY_NEXT)
			u.key_next = value;
		else if (tag == USER_PLAN)
			u.plan = value;
		else if (tag == USER_DELETING)
			u.deleting = true;
		else if (tag == USER_MOVING)
			u.moving = true;
		else if (tag == USER_CREATED && !tlv_i64_value(value, &u.created_ms))
			return false;
	}
	if (got < 0 || u.id.n == 0 || u.token.n == 0 || u.key_current.n == 0 || u.key_next.n == 0)
		return false;
	*ret_user = u;
	return true;
}
