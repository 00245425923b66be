#include "courier/curl/curl_courier.h"
#include "rig.h"

const bool rig_is_curl = true;

struct courier *rig_courier(struct loop *loop, const struct courier_settings *settings,
			    char ret_error[200])
{
	return curl_courier_open(loop, settings, ret_error);
}
