#include "health/monitor.h"

const char *const lb_health_state_name[LB_HEALTH_STATE_N] = {
	[LB_HEALTH_CHECKING] = "checking",
	[LB_HEALTH_UP] = "up",
	[LB_HEALTH_DOWN] = "down",
};

static uint64_t draw(struct lb_monitor *m)
{
	uint64_t z = m->seed += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

void lb_monitor_init(struct lb_monitor *m, const struct lb_probe_spec *spec, uint64_t seed,
		     uint64_t now_ms)
{
	uint64_t spread = spec->interval_ms < LB_MONITOR_FIRST_MS ? spec->interval_ms
								  : LB_MONITOR_FIRST_MS;

	*m = (struct lb_monitor){
		.interval_ms = spec->interval_ms,
		.timeout_ms = spec->timeout_ms,
		.rise = spec->rise,
		.fall = spec->fall,
		.jitter_percent = spec->jitter_percent,
		.state = spec->initial,
		.seed = seed,
	};
	m->next_ms = now_ms + (spread == 0 ? 0 : draw(m) % spread);
}

uint64_t lb_monitor_next_ms(struct lb_monitor *m, uint64_t now_ms)
{
	uint64_t spread = (uint64_t)m->interval_ms * m->jitter_percent / 100;
	uint64_t due = m->next_ms < now_ms ? now_ms : m->next_ms;

	/* Jitter only shortens intervals: the detection bound counts whole ones. */
	m->next_ms = due + m->interval_ms - (spread == 0 ? 0 : draw(m) % spread);
	return due;
}

bool lb_monitor_outcome(struct lb_monitor *m, bool is_up)
{
	enum lb_health_state says = is_up ? LB_HEALTH_UP : LB_HEALTH_DOWN;

	if (m->state == says) {
		m->streak = 0;
		return false;
	}
	m->streak++;
	if (m->state != LB_HEALTH_CHECKING && m->streak < (is_up ? m->rise : m->fall))
		return false;
	m->state = says;
	m->streak = 0;
	return true;
}

uint64_t lb_monitor_detection_ms(const struct lb_monitor *m)
{
	return (uint64_t)m->fall * m->interval_ms + m->timeout_ms;
}
