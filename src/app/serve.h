/* serve.h - the `serve` command: the server for production.
 */
#ifndef APP_SERVE_H
#define APP_SERVE_H

/* Returns the exit status: 0 after a stop that was asked for, 1 when it could not start for a reason that may pass
 * (a taken port, say), 2 for wrong settings. */
int serve_main(int argc, char **argv);

#endif
