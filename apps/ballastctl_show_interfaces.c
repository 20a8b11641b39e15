/* The interfaces one by one: the device, how it is driven, and its twin in the kernel. */
#include "ballastctl_show.h"

#include <stdio.h>
#include <string.h>

#include "ballastctl_json.h"
#include "ballastctl_text.h"

static void put(const struct lb_ctl_view *view, const char *what, const cJSON *item,
		const char *key)
{
	fputs(what, view->out);
	lb_ctl_put_text(view->out, lb_ctl_json_str(item, key));
}

static void put_number(const struct lb_ctl_view *view, const char *what, const cJSON *item,
		       const char *key, const char *unit)
{
	char text[LB_CTL_TEXT_MAX];

	if (lb_ctl_json_get(item, key) != NULL)
		fprintf(view->out, "%s%s%s", what, lb_ctl_count(lb_ctl_json_u64(item, key), text),
			unit);
}

static void put_device(const struct lb_ctl_view *view, const cJSON *item)
{
	put(view, "  device    ", item, "device");
	put(view, ", driver ", item, "driver");
	put(view, "\n  MAC       ", item, "mac");
	put_number(view, ", MTU ", item, "mtu", "");
	fprintf(view->out, "\n  link      %s", lb_ctl_json_bool(item, "link_up") ? "up" : "down");
	put_number(view, ", ", item, "link_mbps", " Mb/s");
	put_number(view, "\n  NUMA node ", item, "numa_node", "");
	put_number(view, "\n  queues    ", item, "rx_queues", " to receive");
	put_number(view, ", ", item, "tx_queues", " to send");
	put(view, "\n  replies   ", item, "replies");
	put(view, "\n  could     ", item, "offloads");
	put_number(view, "\n  lost      ", item, "rx_missed", " missed");
	put_number(view, ", ", item, "rx_errors", " receive errors");
	put_number(view, ", ", item, "tx_errors", " send errors\n");
}

static void put_twin(const struct lb_ctl_view *view, const cJSON *item)
{
	put(view, "  twin      ", item, "twin");
	put_number(view, ": ", item, "twin_received", " frames to the kernel");
	put_number(view, ", ", item, "twin_refused", " refused");
	put_number(view, ", ", item, "twin_sent", " from it");
	put_number(view, ", ", item, "twin_sent_lost", " lost");
	fputc('\n', view->out);
}

int lb_ctl_show_interfaces(const struct lb_ctl_view *view, const cJSON *status)
{
	const cJSON *interfaces = lb_ctl_json_get(status, "interfaces"), *item;

	if (view->options->is_json)
		return lb_ctl_show_tree(view, interfaces, NULL);
	cJSON_ArrayForEach(item, interfaces)
	{
		put(view, "", item, "name");
		fputc('\n', view->out);
		put_device(view, item);
		put_twin(view, item);
	}
	return 0;
}
