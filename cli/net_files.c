/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The capture files of a run: --in and --out, and those in the specs of the devices. A file that is
 * written is truncated when it is opened, so it must not be read or written by another part of the
 * run. Different names can lead to one file, so the files themselves are compared.
 */
#include "net.h"

#include "base/file.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define FILE_HEADER   24u /* header of a capture file, and of each packet in it */
#define PACKET_HEADER 16u
#define FCS	      4u

struct net_file {
	char what[64]; /* name of the option or key, for error messages */
	char path[4096];
	bool output;
};

struct net_files {
	struct net_file file[6]; /* two options, and two keys of two devices */
	unsigned int n;
};

static void net_files_add_option(struct net_files *f, const char *what, const char *path,
				 bool output)
{
	struct net_file *file = &f->file[f->n];

	if (!path)
		return;
	snprintf(file->what, sizeof(file->what), "%s", what);
	snprintf(file->path, sizeof(file->path), "%s", path);
	file->output = output;
	f->n++;
}

static void net_files_add_key(struct net_files *f, const char *spec, const char *option,
			      const char *key, bool output)
{
	char path[4096], what[64];

	if (!spec || !spec_value(spec, key, path, sizeof(path)))
		return;
	snprintf(what, sizeof(what), "%s= of %s", key, option);
	net_files_add_option(f, what, path, output);
}

bool net_files_check(struct net_run *r)
{
	const struct net_args *a = r->args;
	static struct net_files f;

	f.n = 0;
	net_files_add_option(&f, "--in", a->in, false);
	net_files_add_option(&f, "--out", a->out, true);
	net_files_add_key(&f, a->common.device, "--device", "pcap-in", false);
	net_files_add_key(&f, a->common.device, "--device", "pcap-out", true);
	net_files_add_key(&f, a->peer, "--peer", "pcap-in", false);
	net_files_add_key(&f, a->peer, "--peer", "pcap-out", true);
	for (unsigned int i = 0; i < f.n; i++)
		for (unsigned int k = i + 1; k < f.n; k++)
			if ((f.file[i].output || f.file[k].output) &&
			    file_same(f.file[i].path, f.file[k].path))
				return net_fail(r,
						"%s and %s are one file, %.300s, which would be "
						"overwritten: use another name",
						f.file[i].what, f.file[k].what, f.file[k].path);
	return true;
}

/* Counts the complete packets in a file that a card has written. */
static u64 net_files_count_packets(const char *path, u64 size)
{
	u64 at = FILE_HEADER, n = 0;
	FILE *f = fopen(path, "re");
	u32 header[4];

	while (f && !fseeko(f, (off_t)at, SEEK_SET) && fread(header, sizeof(header), 1, f) == 1 &&
	       header[2] <= size - at - PACKET_HEADER) {
		at += PACKET_HEADER + header[2];
		n++;
	}
	if (f)
		fclose(f);
	return n;
}

/*
 * A card buffers its output, and cannot report that the last of it could not be written. It pads
 * short packets and includes the padding in its byte count, but the file has the packets without
 * padding. So if the file is shorter than the byte count requires, its packets are counted.
 */
static void net_files_check_output(struct net_run *r, const struct net_port *p)
{
	u64 n = p->sent, most = FILE_HEADER + n * PACKET_HEADER + (p->sent_bytes - n * FCS);
	char path[4096];
	struct stat st;

	if (!p->spec || !spec_value(p->spec, "pcap-out", path, sizeof(path)) || stat(path, &st) ||
	    !S_ISREG(st.st_mode) || (u64)st.st_size >= most)
		return;
	if (net_files_count_packets(path, (u64)st.st_size) < n)
		net_fail(r, "pcap-out=%.300s could not be written to its end: is the disk full?",
			 path);
}

void net_files_written(struct net_run *r)
{
	for (int i = 0; i < r->ports; i++)
		net_files_check_output(r, &r->port[i]);
}
