/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads the keys of a qemu: spec and builds QEMU's command line. A key that the library does not
 * define is passed to QEMU as a property of the device; QEMU checks it.
 */
#include "qemu/options.h"
#include "base/alloc.h"
#include "base/error.h"
#include "base/file.h"
#include <dmamap/wire.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PROGRAM	     "qemu-system-x86_64"
#define PROPERTY_MAX 8192

static int options_bad_value(const struct hw_arg *a, const char *wanted)
{
	return error_set(EINVAL, "device spec: %s=%s: the value must be %s", a->key, a->value,
			 wanted);
}

/* Reads a value that is one of two words. */
static int options_read_choice(const struct hw_arg *a, const char *no, const char *yes, bool *out)
{
	char wanted[64];

	snprintf(wanted, sizeof(wanted), "%s or %s", no, yes);
	if (strcmp(a->value, no) != 0 && strcmp(a->value, yes) != 0)
		return options_bad_value(a, wanted);
	*out = !strcmp(a->value, yes);
	return 0;
}

static bool options_read_text_key(struct qemu_options *o, const struct hw_arg *a)
{
	const struct {
		const char *key, **value;
	} keys[] = {{"qemu", &o->qemu},
		    {"image", &o->image},
		    {"image-format", &o->image_format},
		    {"pcap-in", &o->pcap_in},
		    {"pcap-out", &o->pcap_out},
		    {"wire", &o->wire}};

	for (unsigned int i = 0; i < ARRAY_SIZE(keys); i++)
		if (!strcmp(a->key, keys[i].key)) {
			*keys[i].value = a->value;
			return true;
		}
	return false;
}

/* 0; -ENOENT: a property of the device; -EINVAL. */
static int options_read_qemu_key(struct qemu_options *o, const struct hw_arg *a)
{
	bool wide = true;
	int err;

	if (options_read_text_key(o, a))
		return *a->value ? 0 : options_bad_value(a, "a name, not empty");
	if (!strcmp(a->key, "arg"))
		return 0;
	if (!strcmp(a->key, "interrupts"))
		return options_read_choice(a, "msi", "intx", &o->intx);
	if (!strcmp(a->key, "vtd-invalidation"))
		return options_read_choice(a, "queue", "registers", &o->registers);
	if (!strcmp(a->key, "vtd-caching-mode"))
		return options_read_choice(a, "0", "1", &o->caching_mode);
	if (!strcmp(a->key, "vtd-width")) {
		err = options_read_choice(a, "39", "48", &wide);
		o->aw_bits = wide ? 48 : 39;
		return err;
	}
	if (!strcmp(a->key, "id") || !strcmp(a->key, "bus") || !strcmp(a->key, "addr") ||
	    !strcmp(a->key, "drive") || !strcmp(a->key, "netdev"))
		return error_set(
			EINVAL,
			"device spec: %s=%s: dmamap places and connects the device itself; "
			"see image=, wire=, pcap-in=, pcap-out= and arg=",
			a->key, a->value);
	return -ENOENT;
}

bool options_net(const struct qemu_options *o)
{
	return o->pcap_in || o->pcap_out || o->wire;
}

static int options_check(const struct qemu_options *o)
{
	if (o->wire && !dmamap_wire_is_fd(o->wire))
		return error_set(
			EINVAL,
			"device spec: wire=%.64s: the value must be fd:N, the number of an "
			"open descriptor",
			o->wire);
	if (o->wire && o->pcap_in)
		return error_set(EINVAL, "device spec: wire= and pcap-in= contradict: packets come "
					 "from a program or from a file");
	return 0;
}

int options_read(struct qemu_options *o, const struct hw_config *config)
{
	*o = (struct qemu_options){.device = config->target,
				   .iommu = config->iommu,
				   .aw_bits = 48,
				   .image_format = "raw",
				   .config = config};
	if (!*o->device || strpbrk(o->device, ",="))
		return error_set(EINVAL,
				 "device spec: qemu: needs the name of a QEMU device, as qemu:edu");
	for (int i = 0; i < config->n_args; i++) {
		int err = options_read_qemu_key(o, &config->arg[i]);

		if (err && err != -ENOENT)
			return err;
	}
	if (o->pcap_in && o->pcap_out && file_same(o->pcap_in, o->pcap_out))
		return error_set(EINVAL,
				 "device spec: pcap-in= and pcap-out= are one file, %.256s, which "
				 "would be overwritten: name another",
				 o->pcap_out);
	return options_check(o);
}

static int options_append(struct options_words *w, const char *text)
{
	if (w->n + 1 >= w->capacity) {
		char **more = alloc_grow(w->word, (size_t)w->capacity * sizeof(*more),
					 ((size_t)w->capacity + 32) * sizeof(*more));

		if (!more)
			return -ENOMEM;
		w->word = more;
		w->capacity += 32;
	}
	w->word[w->n] = alloc_string(text);
	if (!w->word[w->n])
		return -ENOMEM;
	w->word[++w->n] = NULL;
	return 0;
}

/* Adds an option and its value, which is formatted as by printf(). */
static __attribute__((format(printf, 3, 4))) int
options_add_word(struct options_words *w, const char *option, const char *fmt, ...)
{
	char text[PROPERTY_MAX];
	va_list args;
	int n, err;

	va_start(args, fmt);
	n = vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (n < 0 || (size_t)n >= sizeof(text))
		return error_set(EINVAL, "device spec: too long for QEMU's %s", option);
	err = options_append(w, option);
	return err ? err : options_append(w, text);
}

/* Quotes a value for QEMU by doubling its commas. False: the result does not fit. */
static bool options_quote(char *out, size_t size, const char *value)
{
	size_t n = 0;

	for (; *value; value++) {
		if (n + 3 > size)
			return false;
		if (*value == ',')
			out[n++] = ',';
		out[n++] = *value;
	}
	out[n] = 0;
	return true;
}

static const char *const qemu_keys[] = {
	"qemu",	    "arg",  "image",	  "image-format",     "pcap-in",
	"pcap-out", "wire", "interrupts", "vtd-invalidation", "vtd-caching-mode",
	"vtd-width"};

static bool options_is_key(const char *key)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(qemu_keys); i++)
		if (!strcmp(key, qemu_keys[i]))
			return true;
	return false;
}

static bool options_has_property(const struct qemu_options *o, const char *key)
{
	for (int i = 0; i < o->config->n_args; i++)
		if (!strcmp(o->config->arg[i].key, key))
			return true;
	return false;
}

/*
 * Virtio devices bypass the IOMMU unless they are configured otherwise, and only modern virtio
 * devices support it.
 */
static const char *options_virtio_properties(const struct qemu_options *o)
{
	if (strncmp(o->device, "virtio-", 7) != 0 && strncmp(o->device, "vhost-", 6) != 0)
		return "";
	if (strstr(o->device, "transitional"))
		return o->iommu && !options_has_property(o, "iommu_platform") ? ",iommu_platform=on"
									      : "";
	if (!o->iommu || options_has_property(o, "iommu_platform"))
		return options_has_property(o, "disable-legacy") ? "" : ",disable-legacy=on";
	return options_has_property(o, "disable-legacy") ? ",iommu_platform=on"
							 : ",disable-legacy=on,iommu_platform=on";
}

static int options_add_device(const struct qemu_options *o, struct options_words *w)
{
	char text[PROPERTY_MAX], value[PROPERTY_MAX / 2];
	size_t n;

	n = (size_t)snprintf(text, sizeof(text), "%.200s,id=dmamap,bus=pcie.0,addr=%#x%s%s%s%s",
			     o->device, DEVICE_SLOT, o->image ? ",drive=dmamap-image" : "",
			     options_net(o) ? ",netdev=dmamap-net" : "",
			     !strcmp(o->device, "nvme") && !options_has_property(o, "serial")
				     ? ",serial=dmamap"
				     : "",
			     options_virtio_properties(o));
	for (int i = 0; i < o->config->n_args; i++) {
		const struct hw_arg *a = &o->config->arg[i];

		if (options_is_key(a->key))
			continue;
		if (!options_quote(value, sizeof(value), a->value) ||
		    n + strlen(a->key) + strlen(value) + 3 > sizeof(text))
			return error_set(EINVAL, "device spec: too long at \"%s\"", a->key);
		n += (size_t)snprintf(text + n, sizeof(text) - n, ",%s=%s", a->key, value);
	}
	return options_add_word(w, "-device", "%s", text);
}

static int options_add_image(const struct qemu_options *o, struct options_words *w)
{
	char path[PROPERTY_MAX / 2];

	if (!o->image)
		return 0;
	if (!options_quote(path, sizeof(path), o->image))
		return error_set(EINVAL, "device spec: image=%.64s…: too long", o->image);
	return options_add_word(w, "-drive", "if=none,id=dmamap-image,format=%s,file=%s",
				o->image_format, path);
}

static int options_add_net(const struct qemu_options *o, struct options_words *w)
{
	char path[PROPERTY_MAX / 2];
	int err;

	if (!options_net(o))
		return 0;
	err = options_add_word(w, "-netdev", "socket,id=dmamap-net,fd=%d", FD_NET);
	if (err || !o->pcap_out)
		return err;
	if (!options_quote(path, sizeof(path), o->pcap_out))
		return error_set(EINVAL, "device spec: pcap-out=%.64s…: too long", o->pcap_out);
	return options_add_word(
		w, "-object", "filter-dump,id=dmamap-dump,netdev=dmamap-net,maxlen=262144,file=%s",
		path);
}

/* The chipset. No vCPU runs a program, so most optional devices are switched off. */
static int options_add_machine(const struct qemu_options *o, struct options_words *w)
{
	u64 ram = mem.span > mem.low ? mem.low + (mem.span - MEM_DMA32_END) : mem.low;
	int err = options_add_word(
		w, "-machine",
		"q35,accel=tcg,memory-backend=ram,max-ram-below-4g=%llu,sata=off,smbus=off,"
		"vmport=off,hpet=off",
		(unsigned long long)QEMU_LOW_MAX);

	if (!err)
		err = options_add_word(w, "-m", "%lluk", (unsigned long long)(ram >> 10));
	if (!err)
		err = options_add_word(
			w, "-object",
			"memory-backend-file,id=ram,share=on,size=%llu,mem-path=/proc/self/fd/%d",
			(unsigned long long)ram, FD_RAM);
	if (!err)
		err = options_add_word(w, "-bios", "/proc/self/fd/%d", FD_FIRMWARE);
	if (!err)
		err = options_add_word(w, "-display", "none");
	if (!err)
		err = options_add_word(w, "-chardev", "socket,id=qtest,fd=%d", FD_QTEST);
	if (!err)
		err = options_add_word(w, "-qtest", "chardev:qtest");
	if (!err)
		err = options_add_word(w, "-qtest-log", "none");
	if (!err)
		err = options_add_word(w, "-chardev", "socket,id=dmamap-qmp,fd=%d", FD_QMP);
	if (!err)
		err = options_add_word(w, "-mon", "chardev=dmamap-qmp,mode=control");
	if (!err && o->iommu)
		err = options_add_word(w, "-device",
				       "intel-iommu,intremap=off,aw-bits=%u,caching-mode=%s",
				       o->aw_bits, o->caching_mode ? "on" : "off");
	return err;
}

int options_command(const struct qemu_options *o, const char *path, struct options_words *w)
{
	int err;

	*w = (struct options_words){0};
	err = options_append(w, path);
	if (!err)
		err = options_append(w, "-nodefaults");
	if (!err)
		err = options_append(w, "-no-user-config");
	if (!err)
		err = options_add_machine(o, w);
	if (!err)
		err = options_add_image(o, w);
	if (!err)
		err = options_add_net(o, w);
	if (!err)
		err = options_add_device(o, w);
	/* the caller's arguments come last: one may add a device to a bus that is defined above */
	for (int i = 0; !err && i < o->config->n_args; i++)
		if (!strcmp(o->config->arg[i].key, "arg"))
			err = options_append(w, o->config->arg[i].value);
	return err;
}

void words_free(struct options_words *w)
{
	for (int i = 0; i < w->n; i++)
		alloc_free(w->word[i]);
	alloc_free(w->word);
	*w = (struct options_words){0};
}

static char *options_search_path(const char *name)
{
	const char *dir = getenv("PATH"), *end;
	char path[4096];

	for (; dir && *dir; dir = *end ? end + 1 : NULL) {
		end = strchrnul(dir, ':');
		if (snprintf(path, sizeof(path), "%.*s/%s", (int)(end - dir), dir, name) <
			    (int)sizeof(path) &&
		    end != dir && !access(path, X_OK))
			return alloc_string(path);
	}
	return error_null(ENOENT,
			  "there is no %s in PATH: install QEMU (on Debian qemu-system-x86), or "
			  "set qemu=PATH",
			  name);
}

char *options_find_qemu(const struct qemu_options *o)
{
	if (!o->qemu)
		return options_search_path(PROGRAM);
	if (!strchr(o->qemu, '/'))
		return options_search_path(o->qemu);
	if (access(o->qemu, X_OK))
		return error_null(errno, "cannot run qemu=%s: %s", o->qemu, strerror(errno));
	return alloc_string(o->qemu);
}
