/* dev.h - `qstash dev`: the development server (spec 8).
 */
#ifndef APP_DEV_H
#define APP_DEV_H

#include "base/compiler.h"

/* The arguments after "dev"; returns the exit status. */
int dev_main(int argc, char **argv);

#endif
