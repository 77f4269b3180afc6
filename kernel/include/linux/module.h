/* SPDX-License-Identifier: BSD-2-Clause */
/* A module: its init and exit functions, parameters and description. */
#ifndef KMOD_LINUX_MODULE_H
#define KMOD_LINUX_MODULE_H

#include <linux/kernel.h>
#include <linux/string.h>

#ifndef KBUILD_MODNAME
#define KBUILD_MODNAME "module"
#endif

struct module {
	char name[56];
	const char *version;
};

struct kernel_param_ops;
struct kmod_param {
	const char *name, *type;
	void *value;
	unsigned int size, count; /* bytes of one value; number of elements of an array */
	unsigned int *given;
};
/* Places an object in a linker section, which collects all entries of that kind. */
#define KMOD_ENTRY(where, type, ...)                                                               \
	static const type __UNIQUE_ID(kmod_entry)                                                  \
	__used __aligned(8) __attribute__((section(where), no_sanitize("address"))) = __VA_ARGS__
/* The runtime's objects are compiled once for all drivers, so the driver's object has its name. */
#define module_init(fn)                                                                            \
	extern const char __kmod_module_name[];                                                    \
	const char __kmod_module_name[] = KBUILD_MODNAME;                                          \
	int __kmod_module_init(void);                                                              \
	int __kmod_module_init(void)                                                               \
	{                                                                                          \
		return fn();                                                                       \
	}
#define module_exit(fn)                                                                            \
	void __kmod_module_exit(void);                                                             \
	void __kmod_module_exit(void)                                                              \
	{                                                                                          \
		fn();                                                                              \
	}
#define KMOD_PARAM(n, var, t, num, given)                                                          \
	KMOD_ENTRY("kmod_params", struct kmod_param,                                               \
		   {#n, #t, (void *)(var), sizeof(*(var)), num, given})
#define module_param_named(n, var, t, perm) KMOD_PARAM(n, &var, t, 1, NULL)
#define module_param(var, t, perm)	    KMOD_PARAM(var, &var, t, 1, NULL)
#define module_param_array(var, t, nump, perm)                                                     \
	KMOD_PARAM(var, &(var)[0], t, ARRAY_SIZE(var), (unsigned int *)(nump))
#define module_param_array_named(n, var, t, nump, perm)                                            \
	KMOD_PARAM(n, &(var)[0], t, ARRAY_SIZE(var), (unsigned int *)(nump))
#define MODULE_AUTHOR(x)       _Static_assert(1, "")
#define MODULE_DESCRIPTION(x)  _Static_assert(1, "")
#define MODULE_LICENSE(x)      _Static_assert(1, "")
#define MODULE_VERSION(x)      _Static_assert(1, "")
#define MODULE_FIRMWARE(x)     _Static_assert(1, "")
#define MODULE_ALIAS(x)	       _Static_assert(1, "")
#define MODULE_PARM_DESC(p, x) _Static_assert(1, "")
#define MODULE_DEVICE_TABLE(t, n)                                                                  \
	extern const __typeof__(n) __kmod_table_##t##_##n __attribute__((unused, alias(#n)))
#define late_initcall(fn)   module_init(fn)
#define device_initcall(fn) module_init(fn)
static inline bool try_module_get(struct module *m)
{
	return true;
}
static inline void module_put(struct module *m)
{
}
static inline const char *module_name(const struct module *m)
{
	return m ? m->name : "kernel";
}

#endif
