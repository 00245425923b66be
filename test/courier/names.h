/* names.h - a resolver under the test's control, in place of the C library's.
 *
 * A program that links names.c resolves names that end in ".test" here, and all else as usual:
 *
 *	here.test                  127.0.0.1
 *	meta.test                  169.254.169.254
 *	mixed.test                 169.254.169.254, then 127.0.0.1
 *	two.test                   127.0.0.2, then 127.0.0.1
 *	six.test                   ::1, then 127.0.0.1
 *	slow…test                  nothing, and only once names_release was called
 *	whatever else .test        no such host
 */
#ifndef TEST_COURIER_NAMES_H
#define TEST_COURIER_NAMES_H

int names_lookups(void); /* of .test names so far */
int names_waiting(void); /* lookups of slow names that have not returned */
void names_release(void);

#endif
