/* The server on a path of the file system instead of a port. */
#include "t.h"

#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/check.h"
#include "net/loop.h"
#include "web.h"

TEST(a_server_on_a_path_is_for_its_owner)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char path[sizeof(a.sun_path)];
	struct stat st;
	struct web *w;
	struct peer p;

	snprintf(path, sizeof(path), "%s/x.sock", t_tmpdir());
	for (int i = 0; i < 2; i++) {
		/* The second time the first one's file is in the way. */
		w = web_start((struct httpd_settings){ .unix_path = path });
		T_EQ_INT(web_port(w), 0);
		T_CHECK(stat(path, &st) == 0 && S_ISSOCK(st.st_mode));
		T_EQ_INT(st.st_mode & 0777, 0600);
		if (i == 0)
			web_stop(w);
	}
	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	T_CHECK(connect(fd, (const struct sockaddr *)(const void *)&a, sizeof(a)) == 0);
	p = peer_of(fd);
	peer_fmt(&p, "GET /echo HTTP/1.1\r\nHost: h\r\n\r\n");
	T_EQ_INT(peer_status(&p, "GET"), 200);
	T_EQ_STR(buf_str(&p.body), "GET /echo ");
	peer_close(&p);
	web_stop(w);
}

TEST(a_path_that_cannot_be_listened_on)
{
	char error[200] = "", path[300];
	struct httpd_settings set = { .unix_path = path };
	static const struct httpd_ops ops;
	struct loop *loop = loop_new();

	snprintf(path, sizeof(path), "%s/%0200d", t_tmpdir(), 0);
	T_CHECK(httpd_open(loop, &set, &ops, NULL, error) == NULL);
	T_CHECK(str_starts(str_c(error), STR("the path of the socket is longer than 107 bytes: ")));
	snprintf(path, sizeof(path), "%s/no/x.sock", t_tmpdir());
	T_CHECK(httpd_open(loop, &set, &ops, NULL, error) == NULL);
	T_CHECK(str_starts(str_c(error), STR("cannot listen on ")));
	loop_free(loop);
}
