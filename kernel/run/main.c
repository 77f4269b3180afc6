/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The main program of a driver. `dmamap kmod` passes arguments of the form KEY=VALUE. Events and
 * findings are written to the descriptor in KMOD_EVENTS, the kernel's messages to standard error.
 * Exit status: 0 after a complete run, 1 after one that ended early, 3 if the device could not be
 * opened.
 */
#include "script.h"

static int arg_count;
static char **arg_values;
struct module __this_module = {.name = "module"};
extern const char __kmod_module_name[] __attribute__((weak));
extern const struct kmod_param __start_kmod_params[] __attribute__((weak));
extern const struct kmod_param __stop_kmod_params[] __attribute__((weak));
int __kmod_module_init(void) __attribute__((weak));
void __kmod_module_exit(void) __attribute__((weak));

const char *kmod_option(const char *name)
{
	size_t n = strlen(name);

	for (int i = arg_count - 1; i > 0; i--) {
		if (!strncmp(arg_values[i], name, n) && arg_values[i][n] == '=')
			return arg_values[i] + n + 1;
	}
	return NULL;
}

long kmod_option_int(const char *name, long otherwise)
{
	const char *text = kmod_option(name);
	int value;

	return text && !kstrtoint(text, 0, &value) ? value : otherwise;
}

static int main_param_store(const struct kmod_param *p, unsigned int index, const char *text)
{
	char *at = (char *)p->value + index * p->size;
	unsigned long u = 0;
	int i = 0, err;

	if (!strcmp(p->type, "charp")) {
		*(const char **)at = text;
		return 0;
	}
	if (!strcmp(p->type, "bool") || !strcmp(p->type, "invbool")) {
		*(bool *)at =
			(text[0] == '1' || text[0] == 'y' || text[0] == 'Y') != (p->type[0] == 'i');
		return 0;
	}
	err = text[0] == '-' ? kstrtoint(text, 0, &i) : kstrtoul(text, 0, &u);
	if (text[0] == '-')
		u = (unsigned long)(long)i;
	if (!err)
		memcpy(at, &u, p->size <= 8 ? p->size : 0);
	return err;
}

/* Parses param=NAME=VALUE[,VALUE]... */
static int main_param_set(char *text)
{
	char *value = strchr(text, '='), *next;
	const struct kmod_param *p;
	unsigned int n = 0;

	if (!value)
		return -EINVAL;
	*value++ = 0;
	for (p = __start_kmod_params; p < __stop_kmod_params && strcmp(p->name, text); p++)
		;
	if (p >= __stop_kmod_params) {
		kmod_event("\"error\":\"the module has no parameter %s\"", text);
		return -ENOENT;
	}
	for (; value && n < p->count; value = next, n++) {
		next = p->count > 1 ? strchr(value, ',') : NULL;
		if (next)
			*next++ = 0;
		if (main_param_store(p, n, value)) {
			kmod_event("\"error\":\"parameter %s: bad value %s\"", text, value);
			return -EINVAL;
		}
	}
	if (p->given)
		*p->given = n;
	return 0;
}

static int main_params(void)
{
	int err = 0;

	for (int i = 1; i < arg_count && !err; i++) {
		if (!strncmp(arg_values[i], "param=", 6))
			err = main_param_set(arg_values[i] + 6);
	}
	return err;
}

/*
 * Handles a report of dmamap's checker. Its text contains both stacks as lines. The first stack is
 * captured again here, as addresses.
 */
static void main_report(const struct dmamap_report *r, void *arg)
{
	struct kmod_stack here;
	char quoted[6000];

	kmod_json_string(quoted, sizeof(quoted), r->text);
	kmod_stack_take(&here);
	kmod_checker_report(r->name, quoted, &here);
}

static struct dmamap_device *main_open(int *peer)
{
	const char *spec = kmod_option("device");
	char text[1024];
	int fd[2];

	*peer = -1;
	if (!spec)
		return NULL;
	if (kmod_option_int("wire", 0)) {
		if (host_socketpair(fd))
			return NULL;
		*peer = fd[0];
		snprintf(text, sizeof(text), "%s,wire=fd:%d", spec, fd[1]);
	} else {
		snprintf(text, sizeof(text), "%s", spec);
	}
	return dmamap_open(text);
}

static int main_fail_plan(void)
{
	static const char *const own[] = {"kmalloc", "skb",	 "irq",
					  "ioremap", "register", "runtime"};
	const char *site = kmod_option("fail");
	char plan[96];

	for (unsigned int i = 0; site && i < ARRAY_SIZE(own); i++) {
		if (!strcmp(site, own[i]))
			return 0;
	}
	if (!site)
		return 0;
	snprintf(plan, sizeof(plan), "%s:nth=%ld", site, kmod_option_int("nth", 1));
	return dmamap_fail(plan);
}

static void main_ledger(struct dmamap_device *dma)
{
	unsigned int left;
	const char *site = kmod_option("fail");

	if (site && dmamap_fail_count(site))
		kmod_event("\"injected\":\"%s\"", site);
	kmod_rcu_drain();
	left = kmod_ledger_report();
	kmod_event("\"leaks\":%u", left);
	kmod_irq_stop();
	dmamap_close(dma); /* reports leaked mappings */
}

int main(int argc, char **argv);
int main(int argc, char **argv)
{
	struct dmamap_device *dma;
	int peer, err = 0;
	u64 start = host_now();

	arg_count = argc;
	arg_values = argv;
	if (__kmod_module_name)
		strscpy(__this_module.name, __kmod_module_name, sizeof(__this_module.name));
	host_thread_adopt("script");
	kmod_watchdog_start((unsigned int)kmod_option_int("hang", 20));
	dmamap_check_on_report(main_report, NULL);
	dma = main_open(&peer);
	if (kmod_option("device") && !dma) {
		char quoted[800];

		kmod_json_string(quoted, sizeof(quoted), dmamap_strerror());
		kmod_event("\"error\":\"%s\"", quoted);
		return 3;
	}
	kmod_memory_start();
	kmod_opened = dma;
	if (dma && kmod_pci_create(dma))
		kmod_platform_opened(dma);
	if (peer >= 0)
		kmod_wire_start(peer);
	kmod_softirq_start();
	err = main_params();
	if (!err && main_fail_plan()) {
		kmod_event("\"error\":\"no such fault site: %s\"", kmod_option("fail"));
		err = -EINVAL;
	}
	if (err)
		return 3;
	kmod_event("\"opened_ns\":%llu", (u64)host_now() - start);
	if (__kmod_module_init)
		KMOD_CALL("module_init", err = __kmod_module_init());
	kmod_event("\"module_init\":%d", err);
	if (!err) {
		kmod_script_run();
		if (__kmod_module_exit)
			KMOD_CALL("module_exit", __kmod_module_exit());
	}
	kmod_wire_stop();
	kmod_softirq_stop();
	kmod_progressed();
	main_ledger(dma);
	kmod_event("\"end\":\"done\",\"findings\":%llu,\"ns\":%llu", kmod_findings(),
		   (u64)host_now() - start);
	return 0;
}
