/* SPDX-License-Identifier: BSD-2-Clause */
/* Capture files of the application, with libpcap: reads pcap and pcapng, writes pcap. */
#include "net.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef HAVE_LIBPCAP
#include <pcap/pcap.h>

#define SNAPLEN 262144

struct net_in {
	pcap_t *pcap;
	const char *path;
	u64 n;
};

struct net_out {
	pcap_t *pcap;
	pcap_dumper_t *dumper;
	const char *path;
};

struct net_in *net_in_open(struct net_run *r, const char *path)
{
	char why[PCAP_ERRBUF_SIZE];
	struct net_in *in = calloc(1, sizeof(*in));

	if (!in) {
		net_fail(r, "no memory");
		return NULL;
	}
	in->path = path;
	in->pcap = pcap_open_offline(path, why);
	if (!in->pcap)
		net_fail(r, "cannot read the capture file %s: %s", path, why);
	else if (pcap_datalink(in->pcap) != DLT_EN10MB)
		net_fail(r, "%s: its packets are not Ethernet frames", path);
	else
		return in;
	net_in_close(in);
	return NULL;
}

int net_in_next(struct net_run *r, const u8 **data, u32 *len)
{
	struct net_in *in = r->in;
	struct pcap_pkthdr *h;
	int got = pcap_next_ex(in->pcap, &h, data);

	if (got == 1) {
		in->n++;
		*len = h->caplen;
		return 1;
	}
	if (got == PCAP_ERROR_BREAK)
		return 0;
	net_fail(r, "%s: after packet %llu: %s", in->path, (unsigned long long)in->n,
		 pcap_geterr(in->pcap));
	return -1;
}

void net_in_close(struct net_in *in)
{
	if (!in)
		return;
	if (in->pcap)
		pcap_close(in->pcap);
	free(in);
}

struct net_out *net_out_open(struct net_run *r, const char *path)
{
	struct net_out *out = calloc(1, sizeof(*out));

	if (!out) {
		net_fail(r, "no memory");
		return NULL;
	}
	out->path = path;
	out->pcap = pcap_open_dead(DLT_EN10MB, SNAPLEN);
	if (out->pcap)
		out->dumper = pcap_dump_open(out->pcap, path);
	if (out->dumper)
		return out;
	net_fail(r, "cannot write the capture file: %s",
		 out->pcap ? pcap_geterr(out->pcap) : "no memory");
	net_out_close(r, out);
	return NULL;
}

void net_out_add(struct net_out *out, const u8 *data, u32 len)
{
	struct pcap_pkthdr h = {.caplen = len, .len = len};

	gettimeofday(&h.ts, NULL);
	pcap_dump((u_char *)out->dumper, &h, data);
}

bool net_out_close(struct net_run *r, struct net_out *out)
{
	bool written = true;

	if (!out)
		return true;
	if (out->dumper) {
		written = !pcap_dump_flush(out->dumper) && !ferror(pcap_dump_file(out->dumper));
		pcap_dump_close(out->dumper);
	}
	if (out->pcap)
		pcap_close(out->pcap);
	if (!written)
		net_fail(r, "%s could not be written to its end", out->path);
	free(out);
	return written;
}

bool net_pcap_count(struct net_run *r, const char *path, u64 *n)
{
	struct net_in *in = net_in_open(r, path), *before = r->in;
	const u8 *data;
	int got = -1;
	u32 len;

	if (!in)
		return false;
	r->in = in;
	do
		got = net_in_next(r, &data, &len);
	while (got == 1);
	*n = in->n;
	r->in = before;
	net_in_close(in);
	return got == 0;
}

#else

static bool net_pcap_without(struct net_run *r)
{
	return net_fail(
		r, "this dmamap was built without libpcap and cannot read or write capture files "
		   "itself: build it with libpcap-dev installed, or give --packets or --seconds");
}

struct net_in *net_in_open(struct net_run *r, const char *path)
{
	net_pcap_without(r);
	return NULL;
}

int net_in_next(struct net_run *r, const u8 **data, u32 *len)
{
	return 0;
}

void net_in_close(struct net_in *in)
{
}

struct net_out *net_out_open(struct net_run *r, const char *path)
{
	net_pcap_without(r);
	return NULL;
}

void net_out_add(struct net_out *out, const u8 *data, u32 len)
{
}

bool net_out_close(struct net_run *r, struct net_out *out)
{
	return true;
}

bool net_pcap_count(struct net_run *r, const char *path, u64 *n)
{
	return net_pcap_without(r);
}

#endif
