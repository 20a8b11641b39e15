#include "port_text.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* Decimal without sign or leading zero; NULL when there is none at `text`. */
static const char *take_port(const char *text, uint16_t *port)
{
	unsigned int value = 0;
	const char *at = text;

	for (; isdigit((unsigned char)*at) && at - text < 5; at++)
		value = value * 10 + (unsigned int)(*at - '0');
	if (at == text || *text == '0' || value > 65535 || isdigit((unsigned char)*at))
		return NULL;
	*port = (uint16_t)value;
	return at;
}

bool lb_ports_parse(const char *text, struct lb_port_range *out)
{
	const char *at;

	if (strcmp(text, "any") == 0) {
		*out = (struct lb_port_range){0, 65535};
		return true;
	}
	at = take_port(text, &out->first);
	if (at == NULL || *at != '-')
		return false;
	at = take_port(at + 1, &out->last);
	return at != NULL && *at == '\0' && out->first <= out->last;
}

bool lb_listen_parse(const char *text, struct lb_addr *addr, uint16_t *port)
{
	const char *colon = strrchr(text, ':');
	const bool is_bracketed = text[0] == '[';
	char host[LB_ADDR_TEXT_MAX];
	size_t len;

	if (colon == NULL)
		return false;
	len = (size_t)(colon - text);
	if (is_bracketed) {
		if (len < 2 || colon[-1] != ']')
			return false;
		text++;
		len -= 2;
	}
	if (len >= sizeof(host))
		return false;
	memcpy(host, text, len);
	host[len] = '\0';
	if (lb_addr_parse(host, addr) < 0 || is_bracketed == lb_addr_is_v4(addr))
		return false;
	text = take_port(colon + 1, port);
	return text != NULL && *text == '\0';
}

bool lb_mac_parse(const char *text, uint8_t mac[6])
{
	unsigned int value = 0, any = 0;

	for (size_t i = 0; i < 17; i++) {
		unsigned char c = (unsigned char)text[i];

		if (i % 3 == 2) {
			if (c != ':')
				return false;
			value = 0;
			continue;
		}
		if (!isxdigit(c))
			return false;
		value = value * 16 + (unsigned int)(isdigit(c) ? c - '0' : (c | 0x20) - 'a' + 10);
		mac[i / 3] = (uint8_t)value;
		any |= value;
	}
	return text[17] == '\0' && any != 0 && (mac[0] & 1) == 0;
}
