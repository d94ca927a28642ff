package grants

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/carillon-chat/carillon/internal/chime"
)

const builtInARN = "arn:aws:iam::aws:policy"

var builtInSince = chime.At(time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC))

// BuiltIn are the policies of AWS's own that every account has, in the order of their names without
// regard to case. They are only read.
func BuiltIn() []Managed { return builtIn }

var builtIn = makeBuiltIn()

// rule is one statement of a policy of AWS's own.
type rule struct {
	allow    string // actions, separated by spaces
	except   string // or all actions but these
	resource string // empty: all
}

func actions(list string) []rule { return []rule{{allow: list}} }

// awsPolicies are those that public templates and samples attach, with AWS's names and paths. Of
// services that are here (chime, iam, sts, kinesis as far as streams are checked) they allow what
// they allow on AWS, but for passing roles and roles linked to services, which do not exist here.
// What they allow of other services is shortened: no operation here needs it.
var awsPolicies = []struct {
	path, name, description string
	rules                   []rule
}{
	{"/", "AdministratorAccess", "Allows everything.", actions("*")},
	{"/", "PowerUserAccess", "Allows everything but the management of users, roles and the account.",
		[]rule{{except: "iam:* organizations:* account:*"}, {allow: "iam:ListRoles organizations:DescribeOrganization"}}},
	{"/", "ReadOnlyAccess", "Allows reading.",
		actions("chime:Get* chime:List* chime:Retrieve* chime:Search* chime:Validate* iam:Generate* iam:Get* iam:List* iam:Simulate* " +
			"kinesis:Describe* kinesis:Get* kinesis:List* logs:Describe* s3:Get* s3:List*")},

	{"/", "AmazonChimeFullAccess", "Allows every action of Amazon Chime.", []rule{{allow: "chime:*"},
		{allow: "kinesis:ListStreams"},
		{allow: "kinesis:DescribeStream", resource: "arn:aws:kinesis:*:*:stream/chime-messaging-*"}}},
	{"/", "AmazonChimeReadOnly", "Allows reading in Amazon Chime.",
		actions("chime:List* chime:Get* chime:Describe* chime:SearchAvailablePhoneNumbers")},
	{"/", "AmazonChimeSDK", "Allows meetings of Amazon Chime, which are not here, and tags.",
		actions("chime:CreateMeeting chime:CreateMeetingWithAttendees chime:DeleteMeeting chime:GetMeeting chime:ListMeetings " +
			"chime:CreateAttendee chime:BatchCreateAttendee chime:DeleteAttendee chime:GetAttendee chime:ListAttendees " +
			"chime:ListTagsForResource chime:TagResource chime:UntagResource")},
	{"/", "AmazonChimeUserManagement", "Allows the management of the users of the Amazon Chime application, which is not here.",
		actions("chime:ListAccounts chime:GetAccount chime:ListUsers chime:GetUser chime:InviteUsers chime:SuspendUsers " +
			"chime:ActivateUsers chime:UpdateUser chime:BatchUpdateUser chime:CreateUser")},
	{"/", "AmazonCognitoPowerUser", "Allows every action of Amazon Cognito.",
		actions("cognito-identity:* cognito-idp:* cognito-sync:* iam:ListRoles iam:ListOpenIdConnectProviders iam:GetRole")},
	{"/", "AmazonCognitoReadOnly", "Allows reading in Amazon Cognito.",
		actions("cognito-identity:Describe* cognito-identity:Get* cognito-identity:List* cognito-idp:Describe* cognito-idp:Get* cognito-idp:List* " +
			"iam:ListOpenIdConnectProviders iam:ListRoles")},
	{"/", "IAMFullAccess", "Allows every action of IAM.", actions("iam:* organizations:DescribeOrganization")},
	{"/", "IAMReadOnlyAccess", "Allows reading in IAM.",
		actions("iam:GenerateCredentialReport iam:GenerateServiceLastAccessedDetails iam:Get* iam:List* iam:SimulateCustomPolicy iam:SimulatePrincipalPolicy")},

	{"/service-role/", "AWSLambdaBasicExecutionRole", "Allows functions to log.", actions(logging)},
	{"/service-role/", "AWSLambdaVPCAccessExecutionRole", "Allows functions to log and to use a VPC.",
		actions(logging + " ec2:CreateNetworkInterface ec2:DescribeNetworkInterfaces ec2:DeleteNetworkInterface")},
	{"/service-role/", "AWSLambdaKinesisExecutionRole", "Allows functions to log and to read streams of Kinesis.",
		actions(logging + " kinesis:DescribeStream kinesis:DescribeStreamSummary kinesis:GetRecords kinesis:GetShardIterator kinesis:ListShards " +
			"kinesis:ListStreams kinesis:SubscribeToShard")},
	{"/service-role/", "AWSLambdaDynamoDBExecutionRole", "Allows functions to log and to read streams of DynamoDB.",
		actions(logging + " dynamodb:DescribeStream dynamodb:GetRecords dynamodb:GetShardIterator dynamodb:ListStreams")},
	{"/service-role/", "AWSLambdaSQSQueueExecutionRole", "Allows functions to log and to read queues of SQS.",
		actions(logging + " sqs:ReceiveMessage sqs:DeleteMessage sqs:GetQueueAttributes")},
	{"/service-role/", "AWSLambdaRole", "Allows calling functions.", actions("lambda:InvokeFunction")},
	{"/service-role/", "AmazonAPIGatewayPushToCloudWatchLogs", "Allows API Gateway to log.", actions(logging)},
	{"/", "AWSLambda_FullAccess", "Allows every action of Lambda.",
		actions("lambda:* iam:GetPolicy iam:GetPolicyVersion iam:GetRole iam:GetRolePolicy iam:ListAttachedRolePolicies iam:ListRolePolicies iam:ListRoles")},
	{"/", "AWSXRayDaemonWriteAccess", "Allows sending traces to X-Ray.",
		actions("xray:PutTraceSegments xray:PutTelemetryRecords xray:GetSamplingRules xray:GetSamplingTargets xray:GetSamplingStatisticSummaries")},
	{"/", "CloudWatchLogsFullAccess", "Allows every action of CloudWatch Logs.", actions("logs:*")},
	{"/", "AmazonS3FullAccess", "Allows every action of S3.", actions("s3:* s3-object-lambda:*")},
	{"/", "AmazonS3ReadOnlyAccess", "Allows reading in S3.", actions("s3:Get* s3:List* s3:Describe* s3-object-lambda:Get* s3-object-lambda:List*")},
	{"/", "AmazonDynamoDBFullAccess", "Allows every action of DynamoDB.",
		actions("dynamodb:* dax:* iam:GetRole iam:ListRoles kinesis:ListStreams kinesis:DescribeStream kinesis:DescribeStreamSummary")},
}

const logging = "logs:CreateLogGroup logs:CreateLogStream logs:PutLogEvents"

func makeBuiltIn() (list []Managed) {
	for _, p := range awsPolicies {
		arn := builtInARN + p.path + p.name
		list = append(list, Managed{BuiltIn: true, ARN: arn, ManagedPolicy: chime.ManagedPolicy{
			Name: p.name, ID: builtInID(arn), Path: p.path, Description: p.description, Default: 1, Latest: 1,
			Versions: []chime.PolicyVersion{{Number: 1, Document: documentOf(p.rules), Created: builtInSince}},
			Created:  builtInSince, Updated: builtInSince,
		}})
	}
	slices.SortFunc(list, func(a, b Managed) int { return strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)) })
	return list
}

// builtInID is the same in every account, as AWS's are.
func builtInID(arn string) string {
	sum := sha256.Sum256([]byte(arn))
	return "ANPA" + base32.StdEncoding.EncodeToString(sum[:])[:17]
}

// documentOf writes the text of a policy.
func documentOf(rules []rule) string {
	type statement struct {
		Effect    string
		Action    any      `json:",omitempty"`
		NotAction []string `json:",omitempty"`
		Resource  string
	}

	document := struct {
		Version   string
		Statement []statement
	}{Version: "2012-10-17"}

	for _, r := range rules {
		st := statement{Effect: "Allow", NotAction: strings.Fields(r.except), Resource: "*"}
		if list := strings.Fields(r.allow); len(list) == 1 {
			st.Action = list[0]
		} else if len(list) > 1 {
			st.Action = list
		}
		if r.resource != "" {
			st.Resource = r.resource
		}
		document.Statement = append(document.Statement, st)
	}

	text, _ := json.Marshal(document) // of texts alone, it cannot fail
	return string(text)
}
