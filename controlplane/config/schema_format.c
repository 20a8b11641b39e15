#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "lb/addr.h"
#include "port_text.h"
#include "schema.h"

#define NAME_CHARS_MAX 64

static bool is_name(const char *text)
{
	size_t n = 0;

	if (!isalnum((unsigned char)text[0]))
		return false;
	for (; text[n] != '\0'; n++)
		if (!isalnum((unsigned char)text[n]) && strchr("._-", text[n]) == NULL)
			return false;
	return n <= NAME_CHARS_MAX;
}

static bool is_address(const char *text)
{
	struct lb_addr addr;

	return lb_addr_parse(text, &addr) == 0;
}

static bool is_address_ipv4(const char *text)
{
	struct lb_addr addr;

	return lb_addr_parse(text, &addr) == 0 && lb_addr_is_v4(&addr);
}

static bool is_address_ipv6(const char *text)
{
	struct lb_addr addr;

	return lb_addr_parse(text, &addr) == 0 && !lb_addr_is_v4(&addr);
}

static bool is_prefix(const char *text)
{
	struct lb_prefix prefix;

	return strchr(text, '/') != NULL && lb_prefix_parse(text, &prefix) == 0;
}

static bool is_mac(const char *text)
{
	uint8_t mac[6];

	return lb_mac_parse(text, mac);
}

static bool is_port_range(const char *text)
{
	struct lb_port_range range;

	return strcmp(text, "any") != 0 && lb_ports_parse(text, &range);
}

static bool is_ports(const char *text)
{
	struct lb_port_range range;

	return lb_ports_parse(text, &range);
}

static bool is_listen(const char *text)
{
	struct lb_addr addr;
	uint16_t port;

	return lb_listen_parse(text, &addr, &port);
}

/* The kernel takes names of up to 15 bytes without slashes and spaces. */
static bool is_ifname(const char *text)
{
	size_t len = strlen(text);

	if (len == 0 || len > 15 || strcmp(text, ".") == 0 || strcmp(text, "..") == 0)
		return false;
	for (; *text != '\0'; text++)
		if (!isgraph((unsigned char)*text) || strchr("/:,", *text) != NULL)
			return false;
	return true;
}

/* The kernel would put a number in the place of %d. */
static bool is_twin(const char *text)
{
	return is_ifname(text) && strchr(text, '%') == NULL;
}

/* 0000:03:00.0, or the same without the domain. */
static bool is_pci_address(const char *text)
{
	static const char *const shapes[] = {"hhhh:hh:hh.o", "hh:hh.o"};

	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		const char *shape = shapes[i], *t = text;

		for (; *shape != '\0' && *t != '\0'; shape++, t++) {
			if (*shape == 'h'   ? !isxdigit((unsigned char)*t)
			    : *shape == 'o' ? *t < '0' || *t > '7'
					    : *t != *shape)
				break;
		}
		if (*shape == '\0' && *t == '\0')
			return true;
	}
	return false;
}

static bool is_device(const char *text)
{
	if (strncmp(text, "af_xdp:", 7) == 0)
		return is_ifname(text + 7);
	if (strncmp(text, "vdev:", 5) != 0)
		return is_pci_address(text);
	if (text[5] == '\0')
		return false;
	for (text += 5; *text != '\0'; text++)
		if (!isgraph((unsigned char)*text))
			return false;
	return true;
}

static bool is_socket_path(const char *text)
{
	return text[0] == '/' && text[1] != '\0' && strlen(text) <= 107;
}

static const struct {
	bool (*is_allowed)(const char *text);
	const char *allowed;
} formats[LB_FORMAT_N] = {
	[LB_FORMAT_NAME] = {is_name, "a name: 1 to 64 letters, digits, dots, underscores and "
				     "hyphens, the first a letter or digit"},
	[LB_FORMAT_ADDRESS] = {is_address, "an IPv4 or IPv6 address"},
	[LB_FORMAT_ADDRESS_IPV4] = {is_address_ipv4, "an IPv4 address"},
	[LB_FORMAT_ADDRESS_IPV6] = {is_address_ipv6, "an IPv6 address"},
	[LB_FORMAT_PREFIX] = {is_prefix, "an address with its prefix length, like 192.0.2.2/24"},
	[LB_FORMAT_MAC] = {is_mac, "the Ethernet address of one station, like 02:00:00:00:00:11"},
	[LB_FORMAT_PORT_RANGE] = {is_port_range, "a range of ports in 1..65535, lower one first, "
						 "like \"20000-49999\""},
	[LB_FORMAT_PORTS] = {is_ports, "a range of ports in 1..65535, lower one first, like "
				       "\"6005-59530\", or \"any\""},
	[LB_FORMAT_DEVICE] = {is_device, "a device: \"af_xdp:IFNAME\", a PCI address like "
					 "\"0000:03:00.0\" or \"vdev:DEVICE\""},
	[LB_FORMAT_LISTEN] = {is_listen, "an address and a port, like \"127.0.0.1:8480\" or "
					 "\"[::1]:8480\""},
	[LB_FORMAT_SOCKET_PATH] = {is_socket_path, "an absolute path of at most 107 bytes"},
	[LB_FORMAT_TWIN] = {is_twin, "a network device's name of at most 15 characters, or "
				       "\"none\""},
};

bool lb_schema_has_format(enum lb_schema_format format, const char *text, const char **allowed)
{
	if (formats[format].is_allowed == NULL || formats[format].is_allowed(text))
		return true;
	*allowed = formats[format].allowed;
	return false;
}
