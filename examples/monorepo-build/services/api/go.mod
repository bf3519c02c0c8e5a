module example.com/monorepo/services/api

go 1.19

require (
	example.com/monorepo/shared/models v0.0.0
	example.com/monorepo/shared/utils v0.0.0
)

replace (
	example.com/monorepo/shared/models => ../../shared/models
	example.com/monorepo/shared/utils => ../../shared/utils
)
