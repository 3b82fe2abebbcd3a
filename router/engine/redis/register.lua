-- The functions of one version of nodes, side by side with those of another: their names carry a digest of this source.

local function register(name, callback, flags)
  redis.register_function({ function_name = '@prefix@' .. name, callback = callback, flags = flags })
end

register('begin', begin, { 'allow-oom' })
register('publish', publish, {})
register('place', place, { 'allow-oom' })
register('read', read, { 'no-writes' })
register('recent', recent, { 'no-writes' })
register('retained', retained, { 'no-writes' })
register('restore', restore, {})
register('report', report, {})
register('rights', rights, { 'no-writes' })
