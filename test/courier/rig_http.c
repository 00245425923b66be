#include "courier/http/http_courier.h"
#include "rig.h"

const bool rig_is_curl = false;

struct courier *rig_courier(struct loop *loop, const struct courier_settings *settings,
			    char ret_error[200])
{
	return http_courier_open(loop, settings, ret_error);
}
