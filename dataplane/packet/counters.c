#include "lb/counters.h"

const struct lb_counter_info lb_counter_info[LB_COUNTER_N] = {
#define LB_COUNTER(name, kind, help) {#name, LB_COUNTER_##kind, help},
#include "lb/counters.def"
#undef LB_COUNTER
};

int64_t lb_counters_imbalance(const uint64_t value[LB_COUNTER_N])
{
	uint64_t in = 0, out = 0;

	for (uint32_t i = 0; i < LB_COUNTER_N; i++) {
		switch (lb_counter_info[i].kind) {
		case LB_COUNTER_IN:
			in += value[i];
			break;
		case LB_COUNTER_OUT:
		case LB_COUNTER_DROP:
		case LB_COUNTER_GAUGE_OUT:
			out += value[i];
			break;
		case LB_COUNTER_INFO:
			break;
		}
	}
	return (int64_t)(in - out);
}
