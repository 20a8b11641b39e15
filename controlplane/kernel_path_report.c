#include "kernel_path_state.h"

static void report_way(const struct lb_kernel_path *kp, uint32_t i, struct lb_text *out)
{
	const struct lb_kernel_iface *iface = &kp->iface[i];
	const struct lb_twin *twin = lb_twins_of(kp->twins, i);

	if (iface->punt != NULL)
		lb_text_fmt(out, "  to the kernel %s: by %s\n", iface->name,
			    lb_punt_name(iface->punt));
	else if (twin != NULL)
		lb_text_fmt(out, "  to the kernel %s: by its twin, network device %s%s\n",
			    iface->name, lb_twin_name(twin),
			    iface->tags != 0 ? ", without the tags" : "");
	else
		lb_text_fmt(out, "  to the kernel %s: off because %s\n", iface->name,
			    iface->off.what);
}

static void report_vlan(const struct lb_kernel_path *kp, uint32_t i, struct lb_text *out)
{
	const struct lb_kernel_iface *iface = &kp->iface[i];
	struct lb_link link;

	lb_netlink_link(kp->netlink, i, &link);
	lb_text_fmt(out, "  to the kernel %s: with %s, tagged", iface->name,
		    kp->iface[iface->port].name);
	if (link.netdev[0] != '\0')
		lb_text_fmt(out, "; its VLAN device is %s\n", link.netdev);
	else
		lb_text_fmt(out, "; without a VLAN device its neighbours are the document's\n");
}

void lb_kernel_path_report(const struct lb_kernel_path *kp, struct lb_text *out)
{
	struct lb_netlink_part part;
	char text[160];

	for (uint32_t i = 0; i < kp->n_ifaces; i++) {
		if (kp->iface[i].is_attached)
			lb_text_fmt(out, "  steering %s: %s\n", kp->iface[i].name,
				    lb_steering_describe(kp->steering, i, text, sizeof(text)));
		if (kp->iface[i].port == i || lb_twins_of(kp->twins, i) != NULL)
			report_way(kp, i, out);
		else
			report_vlan(kp, i, out);
	}
	if (kp->steering == NULL)
		lb_text_fmt(out, "  steering: off because %s\n", kp->steering_off.what);
	for (uint32_t i = 0; lb_netlink_report(kp->netlink, i, &part); i++)
		lb_text_fmt(out, "  %s: %s\n", part.name, part.text);
}

static void twin_status(const struct lb_twin *twin, struct lb_text *json)
{
	struct lb_twin_counts counts = lb_twin_counts(twin);

	lb_text_json_str(json, "twin", lb_twin_name(twin));
	lb_text_json_u64(json, "twin_received", counts.received);
	lb_text_json_u64(json, "twin_refused", counts.refused);
	lb_text_json_u64(json, "twin_sent", counts.sent);
	lb_text_json_u64(json, "twin_sent_lost", counts.sent_lost);
}

void lb_kernel_path_status(const struct lb_kernel_path *kp, uint32_t idx, struct lb_text *json)
{
	const struct lb_kernel_iface *iface = &kp->iface[idx];
	uint64_t stats[LB_STEER_STAT_N];
	char text[160];

	if (iface->is_attached) {
		lb_text_json_str(json, "steering",
				 lb_steering_describe(kp->steering, idx, text, sizeof(text)));
		if (lb_steering_stats(kp->steering, idx, stats) == 0) {
			lb_text_json_open(json, "steering_packets", '[');
			for (uint32_t i = 0; i < LB_STEER_STAT_N; i++)
				lb_text_json_u64(json, NULL, stats[i]);
			lb_text_json_close(json, ']');
		}
	}
	if (iface->punt != NULL) {
		struct lb_punt_counts counts = lb_punt_counts(iface->punt);

		lb_text_json_u64(json, "punts_written", counts.written);
		lb_text_json_u64(json, "punts_refused", counts.refused);
	}
	if (lb_twins_of(kp->twins, idx) != NULL)
		twin_status(lb_twins_of(kp->twins, idx), json);
	lb_text_json_u64(json, "punts_lost", iface->punts_lost);
}
