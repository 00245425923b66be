#include "app/dev_users.h"

const struct user dev_users[DEV_USERS] = {
	{
		.id = { "defaultUser", 11 },
		.token = { "eyJVc2VySUQiOiJkZWZhdWx0VXNlciIsIlBhc3N3b3JkIjoiZGVmYXVsdFBhc3N3b3JkIn0"
			   "=",
			   72 },
		.key_current = { "sig_7kYjw48mhY7kAjqNGcy6cr29RJ6r", 32 },
		.key_next = { "sig_5ZB6DVzB1wjE8S6rZ7eenA8Pdnhs", 32 },
		.plan = { "payg", 4 },
	},
	{
		.id = { "testUser1", 9 },
		.token = { "eyJVc2VySUQiOiJ0ZXN0VXNlcjEiLCJQYXNzd29yZCI6InRlc3RQYXNzd29yZCJ9", 64 },
		.key_current = { "sig_7GVPjvuwsfqF65iC8fSrs1dfYruM", 32 },
		.key_next = { "sig_5NoELc3EFnZn4DVS5bDs2Nk4b7Ua", 32 },
		.plan = { "payg", 4 },
	},
	{
		.id = { "testUser2", 9 },
		.token = { "eyJVc2VySUQiOiJ0ZXN0VXNlcjIiLCJQYXNzd29yZCI6InRlc3RQYXNzd29yZCJ9", 64 },
		.key_current = { "sig_6jWGaWRxHsw4vMSPJprXadyvrybF", 32 },
		.key_next = { "sig_7qHbvhmahe5GwfePDiS5Lg3pi6Qx", 32 },
		.plan = { "payg", 4 },
	},
	{
		.id = { "testUser3", 9 },
		.token = { "eyJVc2VySUQiOiJ0ZXN0VXNlcjMiLCJQYXNzd29yZCI6InRlc3RQYXNzd29yZCJ9", 64 },
		.key_current = { "sig_5T8FcSsynBjn9mMLBsXhpacRovJf", 32 },
		.key_next = { "sig_7GFR4YaDshFcqsxWRZpRB161jguD", 32 },
		.plan = { "payg", 4 },
	},
};
