/* users.h - the `users` command: makes, lists, changes and deletes the users of a server that runs.
 */
#ifndef APP_USERS_H
#define APP_USERS_H

/* Returns the exit status: 0 done, 1 the server refused or could not be reached, 2 wrong use. */
int users_main(int argc, char **argv);

#endif
