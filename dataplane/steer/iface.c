#include "steer/iface.h"

#include "lb/vlan.h"

static uint32_t tunnel4_max(const struct lb_iface *iface)
{
	if (iface->tags != 0 || lb_addr_is_zero(&iface->tunnel_source[0]))
		return 0;
	return iface->mtu != 0 ? iface->mtu : UINT16_MAX;
}

void lb_ifaces_set(struct lb_ifaces *ifaces, uint32_t idx, const struct lb_iface *iface)
{
	ifaces->of[idx] = *iface;
	ifaces->tunnel4_max[idx] = tunnel4_max(iface);
	if (idx >= ifaces->n)
		ifaces->n = idx + 1;
	ifaces->tagged_ports = 0;
	for (uint32_t i = 0; i < ifaces->n; i++)
		if (ifaces->of[i].tags != 0)
			ifaces->tagged_ports |= 1u << ifaces->of[i].port;
}

uint8_t lb_ifaces_find(const struct lb_ifaces *ifaces, uint8_t port, uint32_t tags)
{
	uint32_t named = lb_vlan_named(tags);

	for (uint32_t i = 0; i < ifaces->n; i++)
		if (ifaces->of[i].port == port && ifaces->of[i].tags == named)
			return (uint8_t)i;
	return LB_IFACE_NONE;
}
