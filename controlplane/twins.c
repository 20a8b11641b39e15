#include "twins.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "courier.h"
#include "frame_tags.h"
#include "log.h"
#include "punt.h"

struct twin_slot {
	struct lb_twins *twins;
	uint32_t iface;
	uint32_t port;        /* the first interface of its device */
	uint32_t tags;        /* of the interface's frames */
	uint16_t mtu;         /* wanted; 0: the port's */
	struct lb_twin *twin; /* NULL: none */
	struct event *readable;
};

struct lb_twins {
	struct lb_twins_params params;
	struct event *timer;
	struct twin_slot slots[LB_IFACES_MAX];
	uint64_t active_us; /* when a frame went either way */
	uint64_t linked_us; /* when the links were looked at */
	uint8_t frame[LB_FRAME_TAGS_BYTES + LB_PUNT_FRAME_MAX];
};

static void arm(struct lb_twins *t, long us)
{
	const struct timeval tv = {.tv_usec = us};

	evtimer_add(t->timer, &tv);
}

/* The next frame that the kernel sends on this twin goes to a worker; false: there is none now. */
static bool send_one(struct twin_slot *slot)
{
	struct lb_twins *t = slot->twins;
	uint8_t *frame = t->frame + LB_FRAME_TAGS_BYTES;
	size_t n = lb_twin_read(slot->twin, frame, sizeof(t->frame) - LB_FRAME_TAGS_BYTES);

	if (n == 0)
		return false;
	frame = lb_frame_tag(frame, slot->tags);
	n += (size_t)lb_vlan_n(slot->tags) * LB_VLAN_TAG_BYTES;
	lb_twin_count_sent(slot->twin,
			   lb_dataplane_inject(t->params.dp, slot->iface, frame, n) == 0);
	return true;
}

static void on_readable(evutil_socket_t fd, short what, void *ctx)
{
	struct twin_slot *slot = ctx;
	struct lb_twins *t = slot->twins;

	(void)fd;
	(void)what;
	for (uint32_t i = 0; i < LB_TWIN_FRAMES_PER_TURN && send_one(slot); i++)
		;
	/* What the kernel sent asks for an answer, mostly. */
	t->active_us = lb_now_us();
	arm(t, LB_TWIN_BUSY_US);
}

static int port_of(const struct lb_twins *t, const struct twin_slot *slot, struct lb_twin_port *out)
{
	struct lb_port_info info;
	int rc = lb_dataplane_port_info(t->params.dp, slot->iface, &info);

	if (rc < 0)
		return rc;
	*out = (struct lb_twin_port){.mtu = info.mtu, .has_carrier = info.link_up};
	if (slot->mtu != 0 && slot->mtu < out->mtu)
		out->mtu = slot->mtu;
	memcpy(out->mac, info.mac, sizeof(out->mac));
	return 0;
}

static void follow_ports(struct lb_twins *t)
{
	for (uint32_t i = 0; i < LB_IFACES_MAX; i++) {
		struct lb_twin_port port;

		if (t->slots[i].twin != NULL && port_of(t, &t->slots[i], &port) == 0)
			lb_twin_follow(t->slots[i].twin, &port);
	}
}

static void on_timer(evutil_socket_t fd, short what, void *ctx)
{
	struct lb_twins *t = ctx;
	uint64_t now_us = lb_now_us();

	(void)fd;
	(void)what;
	if (t->params.pump(t->params.ctx))
		t->active_us = now_us;
	if (now_us - t->linked_us >= LB_TWIN_LINK_MS * UINT64_C(1000)) {
		t->linked_us = now_us;
		follow_ports(t);
	}
	arm(t, now_us - t->active_us < LB_TWIN_CALM_MS * UINT64_C(1000) ? LB_TWIN_BUSY_US
									: LB_TWIN_IDLE_US);
}

int lb_twins_create(const struct lb_twins_params *params, struct lb_twins **out)
{
	struct lb_twins *t = calloc(1, sizeof(*t));

	*out = NULL;
	if (t == NULL)
		return -ENOMEM;
	t->params = *params;
	t->timer = evtimer_new(params->base, on_timer, t);
	if (t->timer == NULL) {
		free(t);
		return -ENOMEM;
	}
	*out = t;
	return 0;
}

void lb_twins_destroy(struct lb_twins *t)
{
	if (t == NULL)
		return;
	event_free(t->timer);
	for (uint32_t i = 0; i < LB_IFACES_MAX; i++) {
		if (t->slots[i].readable != NULL)
			event_free(t->slots[i].readable);
		lb_twin_close(t->slots[i].twin);
	}
	free(t);
}

int lb_twins_add(struct lb_twins *t, uint32_t iface, const struct lb_cfg_interface *cfg,
		 struct lb_error *err)
{
	struct twin_slot *slot = &t->slots[iface];
	struct lb_error refusal;
	struct lb_twin_port port;
	int rc;

	slot->twins = t;
	slot->iface = iface;
	slot->port = cfg->port;
	slot->tags = cfg->tags;
	slot->mtu = cfg->mtu;
	rc = port_of(t, slot, &port);
	if (rc < 0)
		return lb_error_set(err, rc, "", "the port does not answer");
	rc = lb_twin_open(cfg->twin, &port, &slot->twin, err);
	if (rc < 0)
		return rc;
	/* One refused address is no reason to do without the others. */
	if (lb_twin_configure(slot->twin, cfg, LB_TWIN_METRIC + iface, &refusal) < 0)
		lb_log(LB_LOG_WARNING, "twin", "not_configured interface=%s error=\"%s\"",
		       cfg->name, refusal.what);
	slot->readable = event_new(t->params.base, lb_twin_fd(slot->twin), EV_READ | EV_PERSIST,
				   on_readable, slot);
	return slot->readable == NULL ? lb_error_set(err, -ENOMEM, "", "out of memory") : 0;
}

void lb_twins_start(struct lb_twins *t)
{
	bool has_any = false;

	for (uint32_t i = 0; i < LB_IFACES_MAX; i++) {
		if (t->slots[i].readable == NULL)
			continue;
		event_add(t->slots[i].readable, NULL);
		has_any = true;
	}
	if (has_any)
		arm(t, LB_TWIN_BUSY_US);
}

static struct twin_slot *find_slot(struct lb_twins *t, uint32_t port, uint32_t tags)
{
	for (uint32_t i = port; i < LB_IFACES_MAX; i++)
		if (t->slots[i].twin != NULL && t->slots[i].port == port &&
		    t->slots[i].tags == tags)
			return &t->slots[i];
	return NULL;
}

bool lb_twins_receive(struct lb_twins *t, uint32_t port, uint8_t *frame, size_t len)
{
	size_t n_bytes;
	uint32_t tags = lb_frame_tags(frame, len, &n_bytes);
	struct twin_slot *slot = t == NULL ? NULL : find_slot(t, port, tags);

	if (slot != NULL && tags != 0) {
		frame = lb_frame_untag(frame, n_bytes);
		len -= n_bytes;
	} else if (slot == NULL && t != NULL) {
		/* A VLAN without a twin: the kernel may have a device for it. */
		slot = find_slot(t, port, 0);
	}
	if (slot == NULL)
		return false;
	lb_twin_write(slot->twin, frame, len);
	return true;
}

const struct lb_twin *lb_twins_of(const struct lb_twins *t, uint32_t iface)
{
	return t == NULL ? NULL : t->slots[iface].twin;
}
