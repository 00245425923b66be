/* sock.h - what the load generator and the sink share besides HTTP: loopback sockets, clocks, and
 * the 16 hexadecimal digits at the front of a body that carry the time at which it was sent.
 *
 * Both programs run on one machine, so CLOCK_MONOTONIC of one means the same in the other.
 */
#ifndef BENCH_SOCK_H
#define BENCH_SOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SOCK_STAMP_BYTES = 16 };

/* Prints "program: text" to stderr and exits with status 1. */
__attribute__((noreturn, format(printf, 1, 2))) void sock_die(const char *fmt, ...);

/* A non-blocking listening socket on 127.0.0.1; port 0 takes any free one. Writes the real port to
 * ret_port. Dies when the port is taken. */
int sock_listen(int port, int *ret_port);

/* A connected non-blocking socket without Nagle's delay, or -1 with errno. `host` is a numeric IPv4
 * address. Connecting itself blocks, which on loopback takes microseconds. */
int sock_connect(const char *host, int port);

/* Sets what every connection needs: TCP_NODELAY. */
void sock_tune(int fd);

/* Raises this process's limit of open files to what it is allowed. */
void sock_files_raise(void);

/* CLOCK_MONOTONIC in nanoseconds. */
uint64_t sock_now_ns(void);

/* User and system time of this process so far, in microseconds. */
uint64_t sock_cpu_us(void);

/* Waits for events as epoll_wait does, at most until `until_ns` on CLOCK_MONOTONIC; SOCK_FOREVER
 * sets no timer, which on a virtual machine is a good part of the cost of going to sleep. */
#define SOCK_FOREVER UINT64_MAX
struct epoll_event;
int sock_wait(int epoll_fd, struct epoll_event *events, int events_max, uint64_t until_ns);

/* Reads the whole of s as a number from min to max, or dies naming `what`. */
uint64_t sock_number(const char *s, const char *what, uint64_t min, uint64_t max);

/* Writes v as exactly SOCK_STAMP_BYTES lower-case hexadecimal digits. */
void sock_stamp_write(char *to, uint64_t v);

/* Reads what sock_stamp_write wrote; false when it is anything else. */
bool sock_stamp_read(const char *from, uint64_t *ret_v);

#endif
