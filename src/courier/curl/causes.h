/* causes.h - what libcurl reports, as one of the causes that there are words for.
 */
#ifndef COURIER_CURL_CAUSES_H
#define COURIER_CURL_CAUSES_H

#include <curl/curl.h>

#include "courier/words.h"

/* Fills cause and text of a failure whose other fields are set. `text` is libcurl's own words and
 * may be empty; `broken` is why the answer was broken off (answer.h), NULL when it was not that. */
void causes_set(struct failure *f, CURLcode code, const char *text, const char *broken);

#endif
